package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"weld/debug"
)

// watchObject, watchSpace and watchLine are the JSON forms.
type watchObject struct {
	Name    string `json:"name"`
	Path    string `json:"path"`
	Address uint64 `json:"address"`
	Size    uint64 `json:"size"`
	BuildID string `json:"build_id,omitempty"`
	LD      uint64 `json:"l_ld"`
	LinkMap uint64 `json:"link_map"`
}

type watchSpace struct {
	Namespace int           `json:"namespace"`
	Record    uint64        `json:"r_debug"`
	Version   int32         `json:"r_version"`
	State     string        `json:"r_state"`
	Break     uint64        `json:"r_brk"`
	Objects   []watchObject `json:"objects"`
}

type watchLine struct {
	Event      string        `json:"event"`
	Time       time.Time     `json:"time"`
	TimeNS     int64         `json:"time_ns"`
	PID        int           `json:"pid"`
	TID        int           `json:"tid,omitempty"`
	Namespace  *int          `json:"namespace,omitempty"`
	Duration   int64         `json:"duration_ns,omitempty"`
	Late       bool          `json:"late,omitempty"`
	Objects    []watchObject `json:"objects,omitempty"`
	Exe        string        `json:"exe,omitempty"`
	Threads    int           `json:"threads,omitempty"`
	Found      string        `json:"found,omitempty"`
	By         []string      `json:"by,omitempty"`
	Namespaces []watchSpace  `json:"namespaces,omitempty"`
	ExitStatus *int          `json:"exit_status,omitempty"`
	Signal     string        `json:"signal,omitempty"`
}

func watchObjects(objects []debug.Object) []watchObject {
	all := make([]watchObject, 0, len(objects))
	for i := range objects {
		o := &objects[i]
		all = append(all, watchObject{o.Name, o.Path, objectAddress(o), o.Size(), hex.EncodeToString(o.BuildID), o.Ld, o.LinkMap})
	}
	return all
}

// objectAddress is where an object begins: l_addr where that is not known.
func objectAddress(o *debug.Object) uint64 {
	if o.Start != 0 {
		return o.Start
	}
	return o.Addr
}

func stateName(s debug.State) string {
	switch s {
	case debug.Consistent:
		return "RT_CONSISTENT"
	case debug.Add:
		return "RT_ADD"
	case debug.Delete:
		return "RT_DELETE"
	}
	return fmt.Sprintf("state %d", int32(s))
}

// write writes lines with one call.
func (p *watchPrinter) write(b []byte) error {
	if p.err == nil {
		_, p.err = p.out.Write(b)
	}
	return p.err
}

func (p *watchPrinter) object(line *watchLine) error {
	line.TimeNS = line.Time.UnixNano()
	b, err := json.Marshal(line)
	if err != nil {
		return err
	}
	return p.write(append(b, '\n'))
}

// snapshot prints what a process has loaded.
func (p *watchPrinter) snapshot(event string, s *debug.Snapshot, by []string) error {
	if p.json {
		line := watchLine{Event: event, Time: s.Time, PID: s.PID, Exe: s.Exe, Threads: s.Threads, Found: s.Found, By: by}
		for i := range s.Namespaces {
			n := &s.Namespaces[i]
			line.Namespaces = append(line.Namespaces, watchSpace{n.ID, n.Record, n.Version, stateName(n.State), n.Break, watchObjects(n.Objects)})
		}
		return p.object(&line)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %-10s  process %d, %s, threads %d", clock(s.Time), event, s.PID, oneLine(s.Exe), s.Threads)
	if s.Found != "" {
		fmt.Fprintf(&b, ", found by %s", oneLine(s.Found))
	}
	if len(by) > 0 {
		fmt.Fprintf(&b, ", changes by %s", strings.Join(by, ", "))
	}
	b.WriteByte('\n')
	for i := range s.Namespaces {
		n := &s.Namespaces[i]
		fmt.Fprintf(&b, "namespace %d: %d objects", n.ID, len(n.Objects))
		if n.State != debug.Consistent {
			fmt.Fprintf(&b, ", being changed (%s)", stateName(n.State))
		}
		b.WriteByte('\n')
		for k := range n.Objects {
			fmt.Fprintf(&b, "  %s\n", watchObjectText(&n.Objects[k]))
		}
	}
	return p.write([]byte(b.String()))
}

func clock(t time.Time) string { return t.Format("15:04:05.000000") }

func watchObjectText(o *debug.Object) string {
	id := "-"
	if o.BuildID != nil {
		id = hex.EncodeToString(o.BuildID)
	}
	name := o.Path
	if name == "" {
		name = o.Name
	}
	if name == "" {
		name = "(no name)"
	}
	return fmt.Sprintf("%#014x %9d  %-40s  %s", objectAddress(o), o.Size(), id, oneLine(name))
}

// event prints an event.
func (p *watchPrinter) event(e *debug.Event) error {
	if e.Snapshot != nil {
		return p.snapshot(string(e.Kind), e.Snapshot, e.By)
	}
	if p.json {
		line := watchLine{Event: string(e.Kind), Time: e.Time, PID: e.PID, TID: e.TID, Duration: int64(e.Duration), Late: e.Late}
		switch {
		case e.Objects != nil:
			line.Namespace, line.Objects = &e.Namespace, watchObjects(e.Objects)
		case e.Kind == debug.EventExit && e.Status.Signaled():
			line.Signal = e.Status.Signal().String()
		case e.Kind == debug.EventExit:
			status := e.Status.ExitStatus()
			line.ExitStatus = &status
		}
		return p.object(&line)
	}
	return p.write([]byte(watchEventText(e)))
}

func watchEventText(e *debug.Event) string {
	begin := fmt.Sprintf("%s  %-10s  ", clock(e.Time), e.Kind)
	switch {
	case e.Kind == debug.EventExit && e.Status.Signaled():
		return fmt.Sprintf("%sprocess %d, by signal: %v\n", begin, e.PID, e.Status.Signal())
	case e.Kind == debug.EventExit:
		return fmt.Sprintf("%sprocess %d, exit status %d\n", begin, e.PID, e.Status.ExitStatus())
	case e.Objects == nil:
		return fmt.Sprintf("%sprocess %d\n", begin, e.PID)
	}
	took := "-"
	switch {
	case e.Late:
		took = "late"
	case e.Duration > 0:
		took = fmt.Sprintf("%.3f ms", e.Duration.Seconds()*1e3)
	}
	var b strings.Builder
	for i := range e.Objects {
		fmt.Fprintf(&b, "%s%10s  ns %d  %s\n", begin, took, e.Namespace, watchObjectText(&e.Objects[i]))
		took = "\""
	}
	return b.String()
}
