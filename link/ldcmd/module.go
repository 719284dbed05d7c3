package ldcmd

import "weld/link"

// addModuleOptions adds the options of modules. Plan 9's linkers and Inferno's have -u [FILE] and -x [FILE] for these, which mean
// something else to GNU ld, and take another kind of argument there.
func addModuleOptions() {
	list := func(p *parser, to *[]link.Text, path string) error {
		if path == "" {
			return nil
		}
		return p.text(to, path)
	}
	longOptions["module"] = option{argMaybe, func(p *parser, v string) error {
		p.opt.Module = true
		return list(p, &p.opt.ModuleImports, v)
	}}
	longOptions["export-table"] = option{argMaybe, func(p *parser, v string) error {
		p.opt.ExportTable = true
		return list(p, &p.opt.ExportList, v)
	}}
}
