package link

import (
	"maps"
	"slices"
	"strings"

	"weld/image/elf"
)

// readScripts reads the version scripts and dynamic lists.
func (l *linker) readScripts() error {
	var errs errorList
	for _, t := range l.opt.VersionScripts {
		nodes, err := parseVersionScript(t.Name, t.Data)
		if err != nil {
			errs.add(err)
			continue
		}
		if l.versions == nil {
			l.versions = newMatcher()
		}
		for _, n := range nodes {
			val := int(elf.VER_NDX_GLOBAL)
			if n.name != "" {
				val = int(elf.VER_NDX_GLOBAL) + 1 + len(l.verdefs)
				l.verdefs = append(l.verdefs, versionDef{name: n.name, index: uint16(val), parent: n.parent})
			}
			for _, p := range n.global {
				l.versions.add(p, val)
			}
			for _, p := range n.local {
				l.versions.add(p, matchLocal)
			}
		}
	}
	if len(l.verdefs) > maxVersion-1 {
		errs.add(fileErr(ErrTooLarge, l.opt.VersionScripts[0].Name, "", "%d versions", len(l.verdefs)))
	}
	for _, t := range l.opt.DynamicLists {
		list, err := parseDynamicList(t.Name, t.Data)
		errs.add(err)
		if l.dynamicList == nil {
			l.dynamicList = newMatcher()
		}
		for _, p := range list {
			l.dynamicList.add(p, 0)
		}
	}
	if len(l.opt.ExportSymbols) > 0 {
		l.exportList = newMatcher()
		for _, s := range l.opt.ExportSymbols {
			l.exportList.add(pattern{text: s, glob: strings.ContainsAny(s, "*?[")}, 0)
		}
	}
	return errs.err()
}

// assignVersions gives symbols that are defined as name@version and name@@version their versions, which the output defines then
// also if no script has them.
func (l *linker) assignVersions() error {
	index := map[string]uint16{}
	for i := range l.verdefs {
		if v := &l.verdefs[i]; index[v.name] == 0 {
			index[v.name] = v.index
		}
	}
	for _, o := range l.objs {
		for _, k := range slices.Sorted(maps.Keys(o.versions)) {
			s := l.syms.at(o.names.ids[k])
			if s.kind != symObject || s.file != o.index || s.idx != o.first+k {
				continue
			}
			if strings.IndexByte(s.name, '@') > 0 {
				s.flags |= isVersioned
			}
			if l.opt.Mode != Shared && len(l.verdefs) == 0 && !l.opt.ExportDynamic {
				continue
			}
			name := o.versions[k]
			if index[name] == 0 {
				if len(l.verdefs) == maxVersion-1 {
					return o.err(ErrTooLarge, "", "its symbol %s makes more than %d versions", s.name, maxVersion-1)
				}
				v := versionDef{name: name, index: elf.VER_NDX_GLOBAL + 1 + uint16(len(l.verdefs))}
				l.verdefs = append(l.verdefs, v)
				index[name] = v.index
			}
			s.version = index[name]
		}
	}
	return nil
}

// decideExports decides which symbols other files can bind to, and which are bound at run time.
func (l *linker) decideExports() error {
	if err := l.assignVersions(); err != nil {
		return err
	}
	excluded := l.excludedObjects()
	l.par(nShards, func(n int) {
		for i := 1; i < len(l.syms.shards[n].syms); i++ {
			l.decideExport(&l.syms.shards[n].syms[i], excluded)
		}
	})
	if err := l.checkVersions(); err != nil {
		return err
	}
	return l.ctx.Err()
}

// checkVersions refuses version scripts that name symbols which are not defined.
func (l *linker) checkVersions() error {
	if !l.opt.CheckVersions || l.versions == nil {
		return nil
	}
	var errs errorList
	for _, name := range slices.Sorted(maps.Keys(l.versions.exact)) {
		if l.versions.exact[name] == matchLocal {
			continue
		}
		if id := l.syms.find(name); id == 0 || !l.syms.at(id).defined() {
			errs.add(fileErr(ErrScript, l.opt.VersionScripts[0].Name, "", "it gives a version to %s, which is not defined", name))
		}
	}
	return errs.err()
}

// excludedObjects returns which objects' symbols --exclude-libs makes hidden.
func (l *linker) excludedObjects() []bool {
	if len(l.opt.ExcludeLibs) == 0 {
		return nil
	}
	list := make([]bool, len(l.objs))
	for i, o := range l.objs {
		list[i] = o.lib != "" && (slices.Contains(l.opt.ExcludeLibs, "ALL") || slices.Contains(l.opt.ExcludeLibs, o.lib) ||
			slices.Contains(l.opt.ExcludeLibs, strings.TrimSuffix(strings.TrimPrefix(o.lib, "lib"), ".a")))
	}
	return list
}

// selfContained reports whether an executable runs without a run-time linker, so that nothing will define what is undefined.
func (l *linker) selfContained() bool {
	return l.opt.Static || l.opt.Mode == PIE && l.opt.Interpreter == "" && len(l.dsos) == 0
}

func (l *linker) decideExport(s *symbol, excluded []bool) {
	shared := l.opt.Mode == Shared
	switch {
	case s.kind == symShared:
		if s.hidden() {
			s.kind, s.file, s.idx, s.typ = symUndef, -1, 0, elf.STT_NOTYPE
			return
		}
		s.flags |= isImported
		return
	case s.kind == symUndef:
		if !l.dynamic || s.hidden() || s.flags&(refObject|refStrong) == 0 {
			return
		}
		if shared && l.opt.Unresolved != UnresolvedError || s.undefWeak() && (!l.selfContained() || shared) && !(l.opt.NoUndefinedWeak && !shared) || l.leavesUndefined() {
			s.flags |= isImported
		}
		return
	case !s.defined() || !l.dynamic:
		if l.versions != nil && s.defined() && s.version <= elf.VER_NDX_GLOBAL && l.versions.find(s.name) == matchLocal {
			s.flags |= isLocalized
		}
		return
	}
	if s.vis == elf.STV_HIDDEN || s.vis == elf.STV_INTERNAL {
		return
	}
	if excluded != nil && s.kind != symLinker && excluded[s.file] {
		s.flags |= isLocalized
		return
	}
	if l.versions != nil && s.version == 0 {
		switch v := l.versions.find(s.name); v {
		case matchLocal:
			s.flags |= isLocalized
			return
		case matchNone:
		default:
			s.version = uint16(v)
		}
	}
	listed := l.dynamicList != nil && l.dynamicList.find(s.name) != matchNone ||
		l.exportList != nil && l.exportList.find(s.name) != matchNone ||
		l.opt.DynamicData && (s.typ == elf.STT_OBJECT || s.kind == symCommon)
	if s.kind == symLinker && !shared && s.flags&refShared == 0 && !listed {
		return
	}
	if shared || l.opt.ExportDynamic || s.flags&(refShared|defShared) != 0 || listed {
		s.flags |= isExported
	}
	if !shared || s.flags&isExported == 0 || s.vis != elf.STV_DEFAULT || s.kind == symLinker {
		return
	}
	// As with GNU ld and lld, -Bsymbolic-functions is not for indirect functions: their address would be that of a stub.
	bound := l.opt.Symbolic || l.opt.SymbolicFuncs && s.typ == elf.STT_FUNC || l.dynamicList != nil || l.opt.DynamicData
	if !bound || listed {
		s.flags |= isImported // another file's definition may come first
	}
}
