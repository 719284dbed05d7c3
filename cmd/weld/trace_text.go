package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"weld/internal/rtld"
)

// eventText is the line for an event. pid is that of the process that was traced first.
func eventText(e *rtld.Event, pid int) string {
	mark := ""
	if e.PID != pid {
		mark = fmt.Sprintf("[%d] ", e.PID)
	}
	kind, about := e.Kind, e.Object
	switch e.Kind {
	case rtld.EventSearch:
		about = e.Name
	case rtld.EventDlsym:
		about = e.By
	case rtld.EventOpen:
		if about == "" {
			about = e.Name
		}
	case rtld.EventUndefined:
		if about == "" {
			about = e.By
		}
	case rtld.EventNamespace, rtld.EventNamespaceEnd:
		kind, about = "namespace", fmt.Sprint(e.Namespace)
	}
	line := fmt.Sprintf("weld: %s%9.3f ms  %-9s  %-24s  %s", mark, e.Time.Seconds()*1e3, kind, short(about), details(e))
	return strings.TrimRight(oneLine(line), " ") + "\n"
}

// oneLine replaces what would end a line or upset a terminal: names come from files.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

// short is the name of an object without its folder.
func short(path string) string {
	if path == "" {
		return "-"
	}
	return filepath.Base(path)
}

func hexAddr(a uintptr) string { return fmt.Sprintf("%#012x", a) }

// duration is a time with a unit that suits it.
func duration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.1f µs", d.Seconds()*1e6)
	case d < time.Second:
		return fmt.Sprintf("%.3f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.3f s", d.Seconds())
}

// sizeText is a size with a unit that suits it.
func sizeText(n uint64) string {
	if n < 10<<20 {
		return fmt.Sprintf("%d KiB", (n+1023)>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// symbol is the symbol of an event with its version.
func symbol(e *rtld.Event) string {
	if e.Version == "" {
		return e.Symbol
	}
	return e.Symbol + "@" + e.Version
}

// details is what a line says after the name of the object.
func details(e *rtld.Event) string {
	switch e.Kind {
	case rtld.EventSearch:
		return fmt.Sprintf("%s%s: %s", by(e.By, "for %s; "), e.File, e.Error)
	case rtld.EventLibc:
		return fmt.Sprintf("%s; %s", duration(e.Took), e.Object)
	case rtld.EventLoad:
		return loadText(e)
	case rtld.EventRelocate:
		return relocateText(e)
	case rtld.EventUndefined:
		return symbol(e) + ": " + undefinedText(e)
	case rtld.EventInterpose:
		return fmt.Sprintf("%s: bound to that of %s, not of %s", symbol(e), short(e.Definition), short(e.Instead))
	case rtld.EventCopy:
		return fmt.Sprintf("%s  %s: %d bytes of %s", hexAddr(e.Addr), symbol(e), e.Size, short(e.Definition))
	case rtld.EventRebind, rtld.EventBind, rtld.EventHook:
		s := fmt.Sprintf("%s  %s in %s", hexAddr(e.Addr), symbol(e), short(e.Definition))
		if e.Took > 0 {
			s += ", " + duration(e.Took)
		}
		return s
	case rtld.EventInit, rtld.EventFini:
		return fmt.Sprintf("%s; %s", plural(uint64(e.Functions), "function"), duration(e.Took))
	case rtld.EventOpen:
		how := "opened"
		if e.Error != "" {
			how = "failed: " + e.Error
		}
		return fmt.Sprintf("%s%s; %s", callText(e), how, duration(e.Took))
	case rtld.EventDlsym:
		return fmt.Sprintf("%s  %s in %s", hexAddr(e.Addr), symbol(e), short(e.Definition))
	case rtld.EventCommit:
		return commitText(e)
	case rtld.EventUnload:
		return hexAddr(e.Addr)
	case rtld.EventNamespace:
		return "made"
	case rtld.EventNamespaceEnd:
		return "removed"
	case rtld.EventStart:
		return fmt.Sprintf("%s  after %s", hexAddr(e.Addr), duration(e.Took))
	case rtld.EventExit:
		return "exit has run the finalisers"
	}
	return ""
}

// by is format with the short name of a path, nothing without one.
func by(path, format string) string {
	if path == "" {
		return ""
	}
	return fmt.Sprintf(format, short(path))
}

// callText says who called dlopen, nothing if it was not called.
func callText(e *rtld.Event) string {
	if e.Why != rtld.WhyDlopen {
		return ""
	}
	who := "?"
	if e.By != "" {
		who = short(e.By)
	}
	return fmt.Sprintf("dlopen by %s at %s; ", who, hexAddr(e.ByAddr))
}

func loadText(e *rtld.Event) string {
	why := ""
	switch e.Why {
	case rtld.WhyProgram:
		why = "the program; "
	case rtld.WhyPreload:
		why = "preloaded; "
	case rtld.WhyNeeded:
		why = by(e.By, "needed by %s; ")
	case rtld.WhyFilter:
		why = by(e.By, "filtee of %s; ")
	case rtld.WhyDlopen:
		why = callText(e)
	case rtld.WhySystem:
		why = by(e.By, "needed by %s; ") + "the system's; "
	case rtld.WhyLive:
		why = "made at run time; "
	}
	s := fmt.Sprintf("%s  %s%s", hexAddr(e.Addr), why, sizeText(uint64(e.Size)))
	if e.Search > 0 {
		s += ", search " + duration(e.Search)
	}
	if e.Map > 0 {
		s += ", map " + duration(e.Map)
	}
	s += "; " + e.Object
	if e.BuildID != "" {
		s += " " + e.BuildID
	}
	return s
}

func commitText(e *rtld.Event) string {
	s := plural(uint64(e.Bound), "name")
	if e.Unbound > 0 {
		s += fmt.Sprintf(", %d gone", e.Unbound)
	}
	if e.Redirected > 0 {
		s += ", " + plural(uint64(e.Redirected), "reference") + " redirected"
	}
	s += "; " + duration(e.Took)
	if e.Error != "" {
		s += "; " + e.Error
	}
	return s
}

func relocateText(e *rtld.Event) string {
	s := fmt.Sprintf("%s; %s", duration(e.Took), relocsText(e.Relocs))
	if e.Lookups > 0 {
		s += fmt.Sprintf("; %s, %s", plural(e.Lookups, "lookup"), plural(e.CacheHits, "cache hit"))
	}
	return s
}

// relocsText lists the kinds of relocations that there are.
func relocsText(r *rtld.Relocs) string {
	var list []string
	for _, k := range kindsOf(r) {
		if k.n > 0 {
			list = append(list, fmt.Sprintf("%d %s", k.n, k.name))
		}
	}
	if list == nil {
		return "no relocations"
	}
	return strings.Join(list, ", ")
}

type relocKind struct {
	name string
	n    uint64
}

func kindsOf(r *rtld.Relocs) []relocKind {
	return []relocKind{
		{"RELATIVE", r.Relative}, {"RELR", r.Relr}, {"symbol", r.Symbol}, {"JUMP_SLOT", r.JumpSlot - r.Lazy},
		{"JUMP_SLOT left", r.Lazy}, {"IRELATIVE", r.Irelative}, {"COPY", r.Copy}, {"TLS", r.TLS}, {"other", r.Other},
	}
}

func undefinedText(e *rtld.Event) string {
	switch e.Why {
	case rtld.WhyWeak:
		return "not found, and weak"
	case rtld.WhyUnbound:
		return "not found; left until it is called"
	case rtld.WhyCall:
		return "called, and not found"
	case rtld.WhyDlsym:
		return "asked for by name, not found"
	}
	return "not found"
}

func plural(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
