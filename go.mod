module weld

go 1.26

require (
	github.com/alecthomas/kong v1.17.0
	github.com/google/pprof v0.0.0-20260906184651-6331bc6350fe
	github.com/ianlancetaylor/demangle v0.0.0-20250417193237-f615e6bd150b
	github.com/klauspost/compress v1.20.3
	github.com/rogpeppe/go-internal v1.16.0
)

require (
	golang.org/x/sys v0.32.0 // indirect
	golang.org/x/tools v0.26.0 // indirect
)
