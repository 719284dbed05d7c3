package run_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"weld/internal/testenv"
)

// A mutation is one field of a program's ELF header or of its program headers that is not what it was.
type mutation struct {
	name  string
	off   uint64
	size  int
	value uint64
	local bool // what thread-local storage holds is anyone's guess
}

// TestMutated runs small programs with each of the fields that a loader reads changed, natively and under weld. What weld
// makes of one is what the kernel and the dynamic linker make of it, or a refusal, or, where they fail, what the program
// does that is not mutated: they read more fields than weld does. A signal ends it only if a signal ends it natively too.
func TestMutated(t *testing.T) {
	const most = 200
	prefix := weldPrefix(t)
	for _, subject := range []struct {
		name  string
		flags []string
	}{
		{"dynamic", []string{"-pie", "-fPIE", "-Wl,-z,noseparate-code"}}, // text behind the tables, in one segment
		{"static", []string{"-static", "-no-pie"}},
	} {
		t.Run(subject.name, func(t *testing.T) {
			prog := testenv.NewDir(t).Program("mutated", append([]string{"-g0", "-s", "mutated.c"}, subject.flags...)...)
			data, err := os.ReadFile(prog)
			if err != nil {
				t.Fatal(err)
			}
			list := mutations(t, data)
			if len(list) > most {
				t.Fatalf("%d mutations, more than %d", len(list), most)
			}
			whole := mutation{name: "none"}.run(t, data, nil)
			if whole.Code != mutatedStatus || len(whole.Stderr) != 0 {
				t.Fatalf("natively: %v\n%s%s", whole, whole.Stdout, whole.Stderr)
			}
			list = append(list, mutation{name: "none"})
			counts := map[string]int{}
			var mu sync.Mutex
			var wg sync.WaitGroup
			next := make(chan mutation)
			for range 2 {
				wg.Go(func() {
					for m := range next {
						verdict := m.judge(t, data, prefix, whole)
						mu.Lock()
						counts[verdict]++
						mu.Unlock()
					}
				})
			}
			for _, m := range list {
				next <- m
			}
			close(next)
			wg.Wait()
			t.Logf("%d mutations: %v", len(list), counts)
			if counts["same"] < len(list)/4 {
				t.Errorf("only %d of %d run as natively", counts["same"], len(list))
			}
		})
	}
}

// mutations lists the mutations of an ELF file of class 64.
func mutations(t *testing.T, data []byte) (list []mutation) {
	t.Helper()
	order := binary.LittleEndian
	add := func(name string, off uint64, size int, values ...uint64) {
		mask := ^uint64(0) >> (64 - 8*size)
		var word [8]byte
		copy(word[:], data[off:off+uint64(size)])
		old := order.Uint64(word[:])
		seen := map[uint64]bool{old: true}
		for _, v := range values {
			if v &= mask; !seen[v] {
				seen[v] = true
				m := mutation{fmt.Sprintf("%s %#x instead of %#x", name, v, old), off, size, v, false}
				m.local = strings.Contains(name, "(type 0x7)") || name == "e_phnum" || name == "e_phoff"
				list = append(list, m)
			}
		}
	}
	const all = ^uint64(0)
	entry, phoff, phnum := order.Uint64(data[24:]), order.Uint64(data[32:]), uint64(order.Uint16(data[56:]))
	add("EI_MAG0", 0, 1, 0)
	add("EI_CLASS", 4, 1, 0, 1, 3)
	add("EI_DATA", 5, 1, 0, 2)
	add("EI_VERSION", 6, 1, 0, 2)
	add("EI_OSABI", 7, 1, 3, 9, 255)
	add("e_type", 16, 2, 0, 1, 2, 3, 4, all)
	add("e_machine", 18, 2, 0, 3, 40, 183, all)
	add("e_version", 20, 4, 0, 2)
	add("e_entry", 24, 8, 0, all, entry|1<<47, 1<<63)
	add("e_phoff", 32, 8, 0, phoff-8, phoff+56, uint64(len(data))-8, uint64(len(data)), all, 1<<63)
	add("e_shoff", 40, 8, 0, all)
	add("e_flags", 48, 4, all)
	add("e_ehsize", 52, 2, 0, all)
	add("e_phentsize", 54, 2, 0, 32, 57, all)
	add("e_phnum", 56, 2, 0, 1, phnum/2, phnum-1, phnum+1, all)
	add("e_shstrndx", 62, 2, 0, all)
	for i := range phnum {
		at := phoff + 56*i
		typ, filesz, memsz := order.Uint32(data[at:]), order.Uint64(data[at+32:]), order.Uint64(data[at+40:])
		vaddr := order.Uint64(data[at+16:])
		name := func(field string) string { return fmt.Sprintf("program header %d (type %#x): %s", i, typ, field) }
		const load, dynamic, interp, tls, stack = 1, 2, 3, 7, 0x6474e551
		switch typ {
		case load:
			add(name("p_type"), at, 4, 0)
			add(name("p_flags"), at+4, 4, 0, 4, 6)
			add(name("p_offset"), at+8, 8, 0x1000, uint64(len(data)), 1<<63)
			add(name("p_vaddr"), at+16, 8, 0, vaddr+8, vaddr+0x10000, 1<<47, all-0xfff)
			add(name("p_filesz"), at+32, 8, 0, 0x40, 0x100, filesz/2, filesz-1, filesz+1, memsz+0x2000, all)
			add(name("p_memsz"), at+40, 8, 0, filesz-1, memsz+1, memsz+0x100000, 1<<46, all)
			add(name("p_align"), at+48, 8, 0, 3, 1<<21, 1<<63)
		case dynamic, interp, tls:
			add(name("p_type"), at, 4, 0)
			add(name("p_offset"), at+8, 8, 0, uint64(len(data)))
			add(name("p_vaddr"), at+16, 8, 0, vaddr+8, all)
			add(name("p_filesz"), at+32, 8, 0, filesz-1, all)
			add(name("p_memsz"), at+40, 8, 0, filesz-1, 1<<40, all)
			add(name("p_align"), at+48, 8, 3, 1<<40)
		case stack:
			add(name("p_flags"), at+4, 4, 0, 7)
		default:
			add(name("p_vaddr"), at+16, 8, 0, all)
			add(name("p_memsz"), at+40, 8, 0, all)
		}
	}
	return list
}

// judge runs the program with the mutation both ways. It says in words what weld made of it.
func (m mutation) judge(t *testing.T, data []byte, prefix []string, whole testenv.Result) (verdict string) {
	native, got := m.run(t, data, nil), m.run(t, data, prefix)
	same := func(other testenv.Result) bool {
		return got.String() == other.String() && !got.TimedOut && m.output(got) == m.output(other)
	}
	line, rest, ended := bytes.Cut(got.Stderr, []byte("\n"))
	switch {
	case same(native):
		return "same"
	case got.Signal != 0 && native.Signal != 0 && !got.TimedOut:
		return "killed as natively"
	case native.Code != mutatedStatus && same(whole):
		return "runs, natively it fails"
	case (got.Code == 126 || got.Code == 127) && len(got.Stdout) == 0 && ended && len(rest) == 0 && bytes.HasPrefix(line, []byte("weld: ")):
		if native.Code == mutatedStatus {
			return "refused, natively it runs"
		}
		return "refused"
	}
	t.Errorf("%s: %v\n%s%s\nnatively %v\n%s%s", m.name, got, clip(string(got.Stdout)), clip(string(got.Stderr)),
		native, clip(string(native.Stdout)), clip(string(native.Stderr)))
	return "differs"
}

// mutatedStatus is the exit status of testdata/mutated.c.
const mutatedStatus = 3

// output returns what is compared of what the program has printed.
func (m mutation) output(r testenv.Result) string {
	out := string(r.Stdout)
	if m.local {
		out, _, _ = strings.Cut(out, "local: ")
	}
	return out + string(r.Stderr)
}

// run runs the program with the mutation, natively if prefix is empty.
func (m mutation) run(t *testing.T, data []byte, prefix []string) testenv.Result {
	failed := testenv.Result{Code: -1}
	f, err := os.CreateTemp(testenv.RunDir(t), "mutated-")
	if err != nil {
		t.Error(err)
		return failed
	}
	f.Close()
	defer os.Remove(f.Name())
	var word [8]byte
	binary.LittleEndian.PutUint64(word[:], m.value)
	mutated := bytes.Clone(data)
	copy(mutated[m.off:], word[:m.size])
	if err := errors.Join(writeFile(f.Name(), mutated, 0), os.Chmod(f.Name(), 0o755)); err != nil {
		t.Error(err)
		return failed
	}
	if len(prefix) == 0 {
		prefix = []string{"/bin/bash", "-c", `exec "$0"`} // it turns what exec refuses into an exit status
	}
	argv := append(slices.Clone(prefix), f.Name())
	return testenv.Run(t, &exec.Cmd{Path: argv[0], Args: argv, Env: baseEnv(testenv.RunDir(t))}, 20*time.Second)
}
