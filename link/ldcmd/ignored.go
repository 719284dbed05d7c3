package ldcmd

import "strings"

// Options that are accepted and do nothing, with the reasons.
var ignoredOptions = []struct {
	reason string
	flags  string // without a value
	values string // with one
	maybe  string // --name or --name=VALUE
}{
	{reason: "archives are searched for everything that is undefined, wherever they stand", flags: "start-group end-group ( )"},
	{reason: "they are for the compilers' plugin, which finds its options by itself", flags: "flto", values: "fresolution"},
	{reason: "libraries that only libraries need are never linked with, as by default in GNU ld",
		flags: "no-add-needed add-needed no-copy-dt-needed-entries"},
	{reason: "common symbols get their place in every output but a relocatable one", flags: "d dc dp"},
	{reason: "they are for other file formats, byte orders and processors",
		flags: "EL Qy no-accept-unknown-input-arch warn-alternate-em warn-constructors no-warn-mismatch fix-cortex-a53-835769 " +
			"no-fix-cortex-a53-835769 no-fix-cortex-a53-843419 ctf-variables no-ctf-variables g nostdlib",
		values: "a A G", maybe: "fix-cortex-a53-843419"},
	{reason: "they are about the linker's own memory, tables and processes",
		flags: "stats no-keep-memory reduce-memory-overheads fork no-fork traditional-format", values: "hash-size", maybe: "O"},
	{reason: "they are warnings of what cannot happen: common symbols are reported each time, and alignment moves no section",
		flags: "warn-once warn-section-align"},
	{reason: "they are what is done anyway", flags: "no-omagic no-strip-discarded strip-discarded check-sections no-check-sections " +
		"ld-generated-unwind-info no-ld-generated-unwind-info rosegment print-map-discarded no-print-map-discarded undefined-version"},
	{reason: "pages stay aligned, which costs room in the file and no more", flags: "n nmagic"},
}

// ignoredKeywords are those of -z that do nothing.
var ignoredKeywords = map[string]bool{
	// Segments and RELRO are aligned to max-page-size, on which both hold.
	"common-page-size": true,
	// Run-time relocations are always sorted.
	"combreloc": true, "nocombreloc": true,
	// Copy relocations of protected variables are refused in any case.
	"noextern-protected-data": true, "noextern-protected-function": true,
	// Objects that are compiled for them are linked right without.
	"indirect-extern-access": true, "noindirect-extern-access": true, "dynamic-undefined-weak": true,
	// They change names in the symbol table, and which instruction pads a call.
	"unique-symbol": true, "nounique-symbol": true, "call-nop": true,
}

func addIgnored() {
	add := func(names string, kind argKind) {
		for name := range strings.FieldsSeq(names) {
			o := option{kind, func(*parser, string) error { return nil }}
			if len(name) == 1 {
				shortOptions[name] = o
			} else {
				longOptions[name] = o
			}
		}
	}
	for _, g := range ignoredOptions {
		add(g.flags, argNone)
		add(g.values, argValue)
		add(g.maybe, argMaybe)
	}
}
