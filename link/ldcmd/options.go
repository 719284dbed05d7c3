package ldcmd

import (
	"cmp"
	"encoding/hex"
	"strconv"
	"strings"

	"weld/link"
)

// Options of one letter.
var shortOptions map[string]option

// Options by their names without dashes.
var longOptions map[string]option

func init() {
	shortOptions = map[string]option{
		"o": value(func(p *parser, v string) { p.opt.Output = v }),
		"l": value(func(p *parser, v string) { p.add(link.Input{Library: v}) }),
		"L": value(func(p *parser, v string) { p.opt.LibraryPath = append(p.opt.LibraryPath, v) }),
		"m": {argValue, (*parser).emulation},
		"e": value(func(p *parser, v string) { p.opt.Entry = v }),
		"h": value(func(p *parser, v string) { p.opt.Soname = v }),
		"u": value(func(p *parser, v string) { p.opt.Undefined = append(p.opt.Undefined, v) }),
		"z": {argValue, (*parser).keyword},
		"I": value(func(p *parser, v string) { p.interp = v }),
		"R": value(func(p *parser, v string) { p.opt.Rpath = append(p.opt.Rpath, v) }),
		"f": value(func(p *parser, v string) { p.opt.Auxiliary = append(p.opt.Auxiliary, v) }),
		"F": value(func(p *parser, v string) { p.opt.Filter = append(p.opt.Filter, v) }),
		"T": {argValue, func(p *parser, v string) error { return p.script(v) }},
		"c": {argValue, func(p *parser, v string) error { return p.script(v) }},
		"y": value(func(p *parser, v string) { p.opt.TraceSymbols = append(p.opt.TraceSymbols, v) }),
		"b": {argValue, (*parser).format},
		"s": flag(func(p *parser) { p.opt.Strip = link.StripAll }),
		"S": flag(func(p *parser) { p.opt.Strip = max(p.opt.Strip, link.StripDebug) }),
		"x": flag(func(p *parser) { p.opt.DiscardAll = true }),
		"X": flag(func(p *parser) { p.opt.DiscardLocals = true }),
		"E": flag(func(p *parser) { p.opt.ExportDynamic = true }),
		"t": flag(func(p *parser) { p.opt.Trace = true }),
		"v": flag(func(p *parser) { p.version = max(p.version, 1) }),
		"V": flag(func(p *parser) { p.version = max(p.version, 2) }),
		"r": flag(func(p *parser) { p.opt.Mode = link.Relocatable }),
		"i": flag(func(p *parser) { p.opt.Mode = link.Relocatable }),
		"q": flag(func(p *parser) { p.opt.EmitRelocs = true }),
		"N": unsupported("-N", "the text segment is never writable"),
		"M": flag(func(p *parser) { p.mapFile = "-" }),
		"(": flag(func(p *parser) {}), ")": flag(func(p *parser) {}),
	}
	longOptions = map[string]option{
		"output": shortOptions["o"], "library": shortOptions["l"], "library-path": shortOptions["L"], "entry": shortOptions["e"],
		"soname": shortOptions["h"], "undefined": shortOptions["u"], "dynamic-linker": shortOptions["I"], "just-symbols": unsupported("--just-symbols", "symbols cannot be taken from an executable"),
		"auxiliary": shortOptions["f"], "filter": shortOptions["F"], "script": shortOptions["T"], "default-script": shortOptions["T"], "dT": shortOptions["T"],
		"strip-all": shortOptions["s"], "strip-debug": shortOptions["S"], "discard-all": shortOptions["x"], "discard-locals": shortOptions["X"],
		"export-dynamic": shortOptions["E"], "trace": shortOptions["t"], "relocatable": shortOptions["r"], "emit-relocs": shortOptions["q"],
		"version":        flag(func(p *parser) { p.version = 3 }),
		"help":           flag(func(p *parser) { p.help = true }),
		"shared":         flag(func(p *parser) { p.opt.Mode = link.Shared }),
		"Bshareable":     flag(func(p *parser) { p.opt.Mode = link.Shared }),
		"pie":            flag(func(p *parser) { p.opt.Mode = link.PIE }),
		"pic-executable": flag(func(p *parser) { p.opt.Mode = link.PIE }),
		"no-pie":         flag(func(p *parser) { p.opt.Mode = link.Exec }),
		"static-pie":     flag(func(p *parser) { p.opt.Mode, p.opt.Static = link.PIE, true }),
		"static":         flag(func(p *parser) { p.static = true; p.sawStatic = true }),
		"Bstatic":        flag(func(p *parser) { p.static = true }), "dn": flag(func(p *parser) { p.static = true }), "non_shared": flag(func(p *parser) { p.static = true }),
		"Bdynamic": flag(func(p *parser) { p.static = false }), "dy": flag(func(p *parser) { p.static = false }), "call_shared": flag(func(p *parser) { p.static = false }),
		"as-needed": flag(func(p *parser) { p.asNeeded = true }), "no-as-needed": flag(func(p *parser) { p.asNeeded = false }),
		"whole-archive": flag(func(p *parser) { p.whole = true }), "no-whole-archive": flag(func(p *parser) { p.whole = false }),
		"start-lib": flag(func(p *parser) { p.lazy = true }), "end-lib": flag(func(p *parser) { p.lazy = false }),
		"push-state": flag((*parser).push), "pop-state": {argNone, func(p *parser, _ string) error { return p.pop() }},
		"no-dynamic-linker": flag(func(p *parser) { p.interp = "" }),
		"rpath":             value(func(p *parser, v string) { p.rpath(v) }),
		"rpath-link":        value(func(p *parser, v string) { p.opt.RpathLink = append(p.opt.RpathLink, strings.Split(v, ":")...) }),
		"enable-new-dtags":  flag(func(p *parser) { p.opt.OldDtags = false }), "disable-new-dtags": flag(func(p *parser) { p.opt.OldDtags = true }),
		"sysroot":         value(func(p *parser, v string) { p.opt.Sysroot = v }),
		"Map":             value(func(p *parser, v string) { p.mapFile = v }),
		"cref":            flag(func(p *parser) { p.cref = true }),
		"trace-symbol":    shortOptions["y"],
		"print-map":       flag(func(p *parser) { p.mapFile = "-" }),
		"init":            value(func(p *parser, v string) { p.opt.Init = v }),
		"fini":            value(func(p *parser, v string) { p.opt.Fini = v }),
		"require-defined": value(func(p *parser, v string) { p.opt.RequireDefined = append(p.opt.RequireDefined, v) }),
		"wrap":            value(func(p *parser, v string) { p.opt.Wrap = append(p.opt.Wrap, v) }),
		"defsym":          {argValue, (*parser).defsym},
		"exclude-libs": value(func(p *parser, v string) {
			p.opt.ExcludeLibs = append(p.opt.ExcludeLibs, strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ':' })...)
		}),
		"no-export-dynamic":          flag(func(p *parser) { p.opt.ExportDynamic = false }),
		"export-dynamic-symbol":      value(func(p *parser, v string) { p.opt.ExportSymbols = append(p.opt.ExportSymbols, v) }),
		"export-dynamic-symbol-list": {argValue, func(p *parser, v string) error { return p.text(&p.opt.DynamicLists, v) }},
		"version-script":             {argValue, func(p *parser, v string) error { return p.text(&p.opt.VersionScripts, v) }},
		"dynamic-list":               {argValue, func(p *parser, v string) error { return p.text(&p.opt.DynamicLists, v) }},
		"Bsymbolic":                  flag(func(p *parser) { p.opt.Symbolic = true }),
		"Bsymbolic-functions":        flag(func(p *parser) { p.opt.SymbolicFuncs = true }),
		"Bno-symbolic":               flag(func(p *parser) { p.opt.Symbolic, p.opt.SymbolicFuncs = false, false }),
		"gc-sections":                flag(func(p *parser) { p.opt.GCSections = true }), "no-gc-sections": flag(func(p *parser) { p.opt.GCSections = false }),
		"print-gc-sections": flag(func(p *parser) { p.opt.PrintGC = true }), "no-print-gc-sections": flag(func(p *parser) { p.opt.PrintGC = false }),
		"print-icf-sections": flag(func(p *parser) { p.opt.PrintICF = true }), "no-print-icf-sections": flag(func(p *parser) { p.opt.PrintICF = false }),
		"keep-unique":  value(func(p *parser, v string) { p.opt.KeepUnique = append(p.opt.KeepUnique, v) }),
		"eh-frame-hdr": flag(func(p *parser) { p.opt.EhFrameHdr = true }), "no-eh-frame-hdr": flag(func(p *parser) { p.opt.EhFrameHdr = false }),
		"hash-style":                {argValue, (*parser).hashStyle},
		"build-id":                  {argMaybe, (*parser).buildID},
		"no-undefined":              flag(func(p *parser) { p.opt.Unresolved = link.UnresolvedError }),
		"unresolved-symbols":        {argValue, (*parser).unresolved},
		"warn-unresolved-symbols":   flag(func(p *parser) { p.opt.WarnUnresolved = true }),
		"error-unresolved-symbols":  flag(func(p *parser) { p.opt.WarnUnresolved = false }),
		"allow-shlib-undefined":     flag(func(p *parser) { p.opt.AllowShlibUndefined, p.opt.CheckShlibUndefined = true, false }),
		"no-allow-shlib-undefined":  flag(func(p *parser) { p.opt.AllowShlibUndefined, p.opt.CheckShlibUndefined = false, true }),
		"allow-multiple-definition": flag(func(p *parser) { p.opt.MultipleDefs = true }),
		"no-relax":                  flag(func(p *parser) { p.opt.NoRelax = true }), "relax": flag(func(p *parser) { p.opt.NoRelax = false }),
		"no-gnu-unique": flag(func(p *parser) { p.opt.NoGNUUnique = true }), "gnu-unique": flag(func(p *parser) { p.opt.NoGNUUnique = false }),
		"image-base": {argValue, (*parser).imageBase}, "Ttext-segment": {argValue, (*parser).imageBase},
		"error-limit": {argValue, func(p *parser, v string) (err error) { p.opt.ErrorLimit, err = number("--error-limit", v); return err }},
		"threads":     {argMaybe, (*parser).threads}, "thread-count": {argValue, (*parser).threads}, "no-threads": flag(func(p *parser) { p.opt.Threads = 1 }),
		"time":            flag(func(p *parser) { p.time = true }),
		"json":            {argMaybe, func(p *parser, v string) error { p.json = cmp.Or(v, "-"); return nil }},
		"timeline":        value(func(p *parser, v string) { p.picture = v }),
		"dependency-file": value(func(p *parser, v string) { p.depFile = v }),
		"fatal-warnings":  flag(func(p *parser) { p.opt.FatalWarnings = true }), "no-fatal-warnings": flag(func(p *parser) { p.opt.FatalWarnings = false }),
		"no-warnings": flag(func(p *parser) { p.quiet = true }), "warnings": flag(func(p *parser) { p.quiet = false }), "w": flag(func(p *parser) { p.quiet = true }),
		"oformat": {argValue, (*parser).format}, "format": {argValue, (*parser).format},
		"verbose": flag(func(p *parser) { p.version = max(p.version, 1) }),

		"plugin": value(func(p *parser, v string) { p.opt.Plugins = append(p.opt.Plugins, link.PluginRef{Path: v}) }), "plugin-opt": {argValue, (*parser).pluginOption},

		// What gcc passes besides, and what needs nothing here.
		"warn-common": flag(func(p *parser) { p.opt.WarnCommon = true }), "no-warn-common": flag(func(p *parser) { p.opt.WarnCommon = false }),
		"check-types": {argMaybe, func(p *parser, v string) error {
			k, ok := reports[v]
			if !ok {
				return usage("--check-types=%s: it is none, warning or error", v)
			}
			p.opt.CheckTypes = k
			return nil
		}},
		"warn-shared-textrel": flag(func(p *parser) { p.opt.WarnTextrel = true }), "warn-textrel": flag(func(p *parser) { p.opt.WarnTextrel = true }),
		"demangle": {argMaybe, func(p *parser, _ string) error { p.opt.NoDemangle = false; return nil }}, "no-demangle": flag(func(p *parser) { p.opt.NoDemangle = true }),
		"color-diagnostics": {argMaybe, (*parser).colors}, "no-color-diagnostics": flag(func(p *parser) { p.color = "never" }),
		"icf": {argValue, (*parser).icf}, "compress-debug-sections": {argValue, (*parser).compress},
		"no-rosegment": flag(func(p *parser) { p.opt.NoSeparateCode = true }),
		"omagic":       shortOptions["N"], "pack-dyn-relocs": {argValue, (*parser).packRelocs},
	}
	addLayoutOptions()
	addModuleOptions()
	addIgnored()
}

func unsupported(name, what string) option {
	kind := argNone
	switch name {
	case "--package-metadata", "--section-start", "-Ttext", "-Tdata", "-Tbss", "--just-symbols":
		kind = argValue
	}
	return option{kind, func(*parser, string) error { return usage("%s: %s", name, what) }}
}

func number(name, v string) (int, error) {
	n, err := strconv.ParseUint(v, 0, 31)
	if err != nil {
		return 0, usage("%s=%s: not a number", name, v)
	}
	return int(n), nil
}

// pluginOption is an option of the plugin that was named last.
func (p *parser) pluginOption(v string) error {
	if len(p.opt.Plugins) == 0 {
		return usage("--plugin-opt=%s: no --plugin before it", v)
	}
	last := &p.opt.Plugins[len(p.opt.Plugins)-1]
	last.Options = append(last.Options, v)
	return nil
}

func (p *parser) emulation(v string) error {
	m, ok := link.Emulation(v)
	if !ok {
		return usage("-m %s: the emulations are %s", v, strings.Join(link.Emulations(), ", "))
	}
	p.opt.Machine = m
	return nil
}

func (p *parser) format(v string) error {
	if _, ok := link.Emulation(v); ok || v == "elf" || v == "default" {
		return nil
	}
	return usage("the format %s is not supported", v)
}

// choose sets what an option that takes one of a few words is for.
func choose[T any](to *T, option, v, words string, values map[string]T) error {
	x, ok := values[v]
	if !ok {
		return usage("--%s=%s: it is %s", option, v, words)
	}
	*to = x
	return nil
}

func (p *parser) icf(v string) error {
	return choose(&p.opt.ICF, "icf", v, "none, safe or all", map[string]link.ICFKind{"none": link.ICFNone, "safe": link.ICFSafe, "all": link.ICFAll})
}

func (p *parser) compress(v string) error {
	return choose(&p.opt.Compress, "compress-debug-sections", v, "none, zlib, zlib-gabi or zstd", map[string]link.Compression{
		"none": link.CompressNone, "zlib": link.CompressZlib, "zlib-gabi": link.CompressZlib, "zstd": link.CompressZstd})
}

func (p *parser) packRelocs(v string) error {
	switch v {
	case "none":
		p.opt.PackRelative, p.opt.RelrVersion = false, false
	case "relr":
		p.opt.PackRelative = true
	default:
		return usage("--pack-dyn-relocs=%s: it is none or relr; the form of Android is not supported", v)
	}
	return nil
}

func (p *parser) colors(v string) error {
	return choose(&p.color, "color-diagnostics", v, "always, auto or never", map[string]string{"": "always", "always": "always", "auto": "auto", "never": "never"})
}

func (p *parser) hashStyle(v string) error {
	return choose(&p.opt.HashStyle, "hash-style", v, "sysv, gnu or both", map[string]link.HashStyle{
		"gnu": link.HashGNU, "sysv": link.HashSysV, "both": link.HashGNU | link.HashSysV})
}

func (p *parser) buildID(v string) error {
	p.opt.BuildIDBytes = nil
	switch {
	case v == "" || v == "sha1" || v == "tree" || v == "fast":
		p.opt.BuildID = link.BuildIDSHA1
	case v == "md5":
		p.opt.BuildID = link.BuildIDMD5
	case v == "uuid":
		p.opt.BuildID = link.BuildIDUUID
	case v == "none":
		p.opt.BuildID = link.BuildIDNone
	case strings.HasPrefix(v, "0x") || strings.HasPrefix(v, "0X"):
		id, err := hex.DecodeString(strings.NewReplacer("-", "", ":", "").Replace(v[2:]))
		if err != nil || len(id) == 0 {
			return usage("--build-id=%s: not hexadecimal", v)
		}
		p.opt.BuildID, p.opt.BuildIDBytes = link.BuildIDHex, id
	default:
		return usage("--build-id=%s: it is none, md5, sha1, uuid or 0xHEX", v)
	}
	return nil
}

func (p *parser) unresolved(v string) error {
	o := &p.opt
	switch v {
	case "ignore-all":
		o.Unresolved, o.AllowShlibUndefined = link.UnresolvedIgnore, true
	case "ignore-in-object-files":
		o.Unresolved, o.AllowShlibUndefined = link.UnresolvedIgnoreObjects, false
	case "report-all":
		o.Unresolved, o.AllowShlibUndefined = link.UnresolvedError, false
	case "ignore-in-shared-libs":
		o.Unresolved, o.AllowShlibUndefined = link.UnresolvedDefault, true
	default:
		return usage("--unresolved-symbols=%s: not known", v)
	}
	return nil
}

func (p *parser) imageBase(v string) error {
	n, err := strconv.ParseUint(v, 0, 64)
	if err != nil {
		if n, err = strconv.ParseUint(v, 16, 64); err != nil {
			return usage("image base %s: not a number", v)
		}
	}
	p.opt.ImageBase = n
	return nil
}

func (p *parser) threads(v string) error {
	if v == "" {
		return nil
	}
	n, err := number("--threads", v)
	p.opt.Threads = n
	return err
}

func (p *parser) rpath(v string) {
	for _, dir := range strings.Split(v, ":") {
		if dir != "" && !contains(p.opt.Rpath, dir) {
			p.opt.Rpath = append(p.opt.Rpath, dir)
		}
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// defsym reads NAME=SYMBOL, NAME=NUMBER, NAME=SYMBOL+NUMBER and NAME=SYMBOL-NUMBER.
func (p *parser) defsym(v string) error {
	name, expr, ok := strings.Cut(v, "=")
	if !ok || name == "" || expr == "" {
		return usage("--defsym %s: wanted NAME=VALUE", v)
	}
	d := link.Defsym{Name: name}
	if n, err := strconv.ParseUint(expr, 0, 64); err == nil {
		d.Value = n
	} else {
		d.Alias = expr
		if at := strings.LastIndexAny(expr, "+-"); at > 0 {
			n, err := strconv.ParseUint(strings.TrimSpace(expr[at+1:]), 0, 64)
			if err != nil {
				return usage("--defsym %s: only a symbol, a number, or a symbol plus or minus a number is supported", v)
			}
			d.Alias, d.Value = strings.TrimSpace(expr[:at]), n
			if expr[at] == '-' {
				d.Value = -n
			}
		}
		if strings.ContainsAny(d.Alias, "()*/&|<> ") {
			return usage("--defsym %s: only a symbol, a number, or a symbol plus or minus a number is supported", v)
		}
	}
	p.opt.Defsyms = append(p.opt.Defsyms, d)
	return nil
}

// keyword is an option of -z.
func (p *parser) keyword(v string) error {
	o := &p.opt
	name, arg, _ := strings.Cut(v, "=")
	size := func(to *uint64) error {
		n, err := strconv.ParseUint(arg, 0, 64)
		if err != nil {
			return usage("-z %s: not a number", v)
		}
		*to = n
		return nil
	}
	switch name {
	case "now":
		o.Now = true
	case "lazy":
		o.Now = false
	case "relro":
		o.NoRelro = false
	case "norelro":
		o.NoRelro = true
	case "defs":
		o.Unresolved = link.UnresolvedError
	case "undefs":
		o.Unresolved = link.UnresolvedIgnore
	case "text":
		o.NoText = false
	case "notext", "textoff":
		o.NoText = true
	case "execstack":
		o.ExecStack, o.NoExecStack = true, false
	case "noexecstack":
		o.ExecStack, o.NoExecStack = false, true
	case "nodelete":
		o.NoDelete = true
	case "nodlopen":
		o.NoOpen = true
	case "origin":
		o.Origin = true
	case "initfirst":
		o.InitFirst = true
	case "interpose":
		o.Interpose = true
	case "nodefaultlib":
		o.NoDefaultLib = true
	case "global":
		o.Global = true
	case "nocopyreloc":
		o.NoCopyReloc = true
	case "copyreloc":
		o.NoCopyReloc = false
	case "ibtplt":
		o.IBTPLT = true
	case "ibt":
		o.IBT, o.IBTPLT = true, true
	case "shstk":
		o.SHSTK = true
	case "force-bti":
		o.BTI = true
	case "pac-plt":
		o.PACPLT = true
	case "muldefs":
		o.MultipleDefs = true
	case "separate-code":
		o.SeparateCode, o.NoSeparateCode = true, false
	case "noseparate-code":
		o.SeparateCode, o.NoSeparateCode = false, true
	case "pack-relative-relocs":
		o.PackRelative, o.RelrVersion = true, true
	case "nopack-relative-relocs":
		o.PackRelative, o.RelrVersion = false, false
	case "stack-size":
		return size(&o.StackSize)
	case "max-page-size":
		return size(&o.MaxPageSize)
	case "common-page-size":
		return size(new(uint64)) // see ignoredKeywords
	default:
		if known, err := p.layoutKeyword(name, arg); known || err != nil {
			return err
		}
		if !ignoredKeywords[name] {
			p.unknown = append(p.unknown, "-z "+v)
		}
	}
	return nil
}
