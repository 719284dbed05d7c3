package link

import "syscall"

// adviseHuge asks for huge pages for b, which begins at one. Where there are none the pages are as always.
func adviseHuge(b []byte) { syscall.Madvise(b, syscall.MADV_HUGEPAGE) }
