package ldcmd

import (
	"os"
	"strconv"
	"strings"

	"weld/image/elf"
	"weld/link"
)

// Options for what the output looks like: order, addresses and names of sections, symbols, notes.
func addLayoutOptions() {
	on := func(field func(o *link.Options) *bool, v bool) option {
		return flag(func(p *parser) { *field(&p.opt) = v })
	}
	start := func(section string) option {
		return option{argValue, func(p *parser, v string) error { return p.sectionStart(section + "=" + v) }}
	}
	for name, o := range map[string]option{
		"symbol-ordering-file":  {argValue, func(p *parser, v string) error { return lines(v, &p.opt.SymbolOrder) }},
		"section-ordering-file": {argValue, func(p *parser, v string) error { return lines(v, &p.opt.SectionOrder) }},
		"retain-symbols-file": {argValue, func(p *parser, v string) error {
			p.opt.RetainSymbols = []string{}
			return lines(v, &p.opt.RetainSymbols)
		}},
		"sort-section":              {argValue, (*parser).sortSection},
		"sort-common":               {argMaybe, (*parser).sortCommon},
		"orphan-handling":           {argValue, (*parser).orphans},
		"section-start":             {argValue, (*parser).sectionStart},
		"Ttext":                     start(".text"),
		"Tdata":                     start(".data"),
		"Tbss":                      start(".bss"),
		"gdb-index":                 flag(func(p *parser) { p.opt.GDBIndex = true }),
		"no-gdb-index":              flag(func(p *parser) { p.opt.GDBIndex = false }),
		"package-metadata":          {argMaybe, func(p *parser, v string) error { p.opt.PackageMetadata = v; return nil }},
		"dynamic-list-data":         flag(func(p *parser) { p.opt.DynamicData = true }),
		"dynamic-list-cpp-new":      listOption(`{ extern "C++" { "operator new*"; operator?new*; operator?delete*; }; };`),
		"dynamic-list-cpp-typeinfo": listOption(`{ extern "C++" { typeinfo?for?*; typeinfo?name?for?*; }; };`),
		"no-dynamic-list":           flag(func(p *parser) { p.opt.DynamicLists, p.opt.DynamicData = nil, false }),
		"discard-none":              flag(func(p *parser) { p.opt.DiscardAll, p.opt.DiscardLocals = false, false }),
		"no-undefined-version":      flag(func(p *parser) { p.opt.CheckVersions = true }),
		"warn-execstack":            on(func(o *link.Options) *bool { return &o.NoWarnExecStack }, false),
		"no-warn-execstack":         on(func(o *link.Options) *bool { return &o.NoWarnExecStack }, true),
		"error-execstack":           on(func(o *link.Options) *bool { return &o.ErrorExecStack }, true),
		"no-error-execstack":        on(func(o *link.Options) *bool { return &o.ErrorExecStack }, false),
		"warn-rwx-segments":         on(func(o *link.Options) *bool { return &o.NoWarnRWX }, false),
		"no-warn-rwx-segments":      on(func(o *link.Options) *bool { return &o.NoWarnRWX }, true),
	} {
		longOptions[name] = o
	}
}

// listOption is an option that stands for a dynamic list.
func listOption(text string) option {
	return flag(func(p *parser) {
		p.opt.DynamicLists = append(p.opt.DynamicLists, link.Text{Name: "the option's list", Data: []byte(text)})
	})
}

// lines adds the lines of a file that are not empty and no comments.
func lines(path string, to *[]string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			*to = append(*to, line)
		}
	}
	return nil
}

func (p *parser) sortSection(v string) error {
	return choose(&p.opt.SortSection, "sort-section", v, "name, alignment or none", map[string]link.SectionSort{
		"name": link.SortName, "alignment": link.SortAlignment, "none": link.SortNone})
}

func (p *parser) sortCommon(v string) error {
	return choose(&p.opt.SortCommon, "sort-common", v, "ascending or descending", map[string]link.CommonSort{
		"": link.CommonDescending, "descending": link.CommonDescending, "ascending": link.CommonAscending})
}

func (p *parser) orphans(v string) error {
	return choose(&p.opt.Orphans, "orphan-handling", v, "place, warn, error or discard", map[string]link.OrphanHandling{
		"place": link.OrphanPlace, "warn": link.OrphanWarn, "error": link.OrphanError, "discard": link.OrphanDiscard})
}

// sectionStart reads SECTION=ADDRESS, where the address is hexadecimal with or without 0x.
func (p *parser) sectionStart(v string) error {
	name, at, ok := strings.Cut(v, "=")
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToLower(at), "0x"), 16, 64)
	if !ok || name == "" || err != nil {
		return usage("--section-start %s: wanted SECTION=ADDRESS", v)
	}
	if p.opt.SectionStart == nil {
		p.opt.SectionStart = map[string]uint64{}
	}
	p.opt.SectionStart[name] = n
	return nil
}

// layoutKeyword is an option of -z for the form of the output; known is false if it is none.
func (p *parser) layoutKeyword(name, arg string) (known bool, err error) {
	o := &p.opt
	switch name {
	case "keep-text-section-prefix":
		o.KeepTextPrefix = true
	case "nokeep-text-section-prefix":
		o.KeepTextPrefix = false
	case "start-stop-gc":
		o.StartStopGC = true
	case "nostart-stop-gc":
		o.StartStopGC = false
	case "start-stop-visibility":
		switch arg {
		case "default", "internal", "hidden", "protected":
			o.StartStopVisibility = arg
		default:
			return true, usage("-z start-stop-visibility=%s: it is default, internal, hidden or protected", arg)
		}
	case "separate-loadable-segments":
		o.SeparateSegments, o.NoSeparateCode = true, false
	case "rodynamic":
		o.ReadOnlyDynamic = true
	case "nodynamic-undefined-weak":
		o.NoUndefinedWeak = true
	case "nognustack":
		o.NoGNUStack = true
	case "x86-64-baseline", "x86-64-v2", "x86-64-v3", "x86-64-v4":
		o.ISANeeded |= map[string]uint32{"x86-64-baseline": 1, "x86-64-v2": 2, "x86-64-v3": 4, "x86-64-v4": 8}[name]
	case "lam-u48":
		o.FeatureBits |= uint32(elf.GNU_PROPERTY_X86_FEATURE_1_LAM_U48 | elf.GNU_PROPERTY_X86_FEATURE_1_LAM_U57)
	case "lam-u57":
		o.FeatureBits |= uint32(elf.GNU_PROPERTY_X86_FEATURE_1_LAM_U57)
	case "cet-report":
		k, ok := reports[arg]
		if !ok || arg == "" {
			return true, usage("-z cet-report=%s: it is none, warning or error", arg)
		}
		o.CETReport = k
	case "dead-reloc-in-nonalloc":
		section, value, ok := strings.Cut(arg, "=")
		n, err := strconv.ParseUint(value, 0, 64)
		if !ok || section == "" || err != nil {
			return true, usage("-z dead-reloc-in-nonalloc=%s: wanted SECTION=VALUE", arg)
		}
		o.DeadReloc = append(o.DeadReloc, link.DeadReloc{Section: section, Value: n})
	default:
		return false, nil
	}
	return true, nil
}

// reports are the words for what becomes of a finding; without one it is a warning.
var reports = map[string]link.Report{"": link.ReportWarning, "none": link.ReportNone, "warning": link.ReportWarning, "error": link.ReportError}
