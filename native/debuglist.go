package native

import (
	"slices"

	"weld/image/elf"
)

// ProcessDebug returns the address of the struct r_debug of the run-time linker that has started the process, 0 if none
// has, the file of that linker, and whether the record has the field r_next. It has in glibc since 2.35, whose symbol
// _r_debug does not tell: its size is that of before.
func ProcessDebug() (addr uintptr, file string, extended bool) {
	if !hostTCB {
		return 0, "", false
	}
	v, err := readAuxv()
	if err != nil {
		return 0, "", false
	}
	if addr = processDebug(v); addr == 0 {
		return 0, "", false
	}
	h := elf.Hash("_r_debug")
	for _, o := range linkMaps(addr) {
		if o.attach(v); o.File == nil {
			continue
		}
		if _, s, ok := o.File.Lookup(&h, nil); ok && o.Bias+uintptr(s.Value) == addr {
			extended = slices.ContainsFunc(o.File.VersionDefs(), func(d elf.VerDef) bool { return d.Name == "GLIBC_2.35" })
			return addr, o.Name, extended
		}
	}
	return addr, "", false
}

// SystemTLSModuleEnd returns how many bytes of a struct link_map of the system's run-time linker libthread_db reads: up to
// the number of the TLS module, whose place the C library tells. It is 0 if it does not.
func SystemTLSModuleEnd() uintptr {
	field := SystemFunction("_thread_db_link_map_l_tls_modid") // bits, number of elements, offset; each 4 bytes
	if field == 0 {
		return 0
	}
	const most = 1 << 14
	end := uintptr(*(*uint32)(Pointer(field + 8))) + 8
	if end > most {
		return 0
	}
	return end
}
