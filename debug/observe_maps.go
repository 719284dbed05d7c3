package debug

import (
	"sort"
	"strconv"
	"strings"
)

// mapping is a line of /proc/PID/maps.
type mapping struct {
	start, end, offset uint64
	dev                string
	inode              uint64
	path               string // "" if anonymous; with " (deleted)" as the kernel has it
}

func (m *mapping) sameFile(o *mapping) bool {
	return m.path == o.path && m.dev == o.dev && m.inode == o.inode
}

// parseMaps reads the text of /proc/PID/maps, whose lines ascend by address. Lines of another form are passed over.
func parseMaps(text string) (all []mapping) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		start, end, _ := strings.Cut(fields[0], "-")
		m := mapping{dev: fields[3]}
		var err [4]error
		m.start, err[0] = strconv.ParseUint(start, 16, 64)
		m.end, err[1] = strconv.ParseUint(end, 16, 64)
		m.offset, err[2] = strconv.ParseUint(fields[2], 16, 64)
		m.inode, err[3] = strconv.ParseUint(fields[4], 10, 64)
		if err != [4]error{} {
			continue
		}
		if len(fields) > 5 {
			m.path = strings.TrimSuffix(line[strings.Index(line, fields[5]):], "\n")
		}
		all = append(all, m)
	}
	return all
}

// find returns the index of the mapping that contains addr, -1 if there is none.
func find(all []mapping, addr uint64) int {
	i := sort.Search(len(all), func(i int) bool { return all[i].end > addr })
	if i < len(all) && all[i].start <= addr {
		return i
	}
	return -1
}
