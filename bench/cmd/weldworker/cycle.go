package main

import (
	"errors"
	"fmt"

	"weld"

	"weld/bench/internal/wire"
	"weld/bench/internal/worker"
)

// openClose measures n times weld.Open with weld.Now of args[0] and Close, which unloads it; args[1:] are opened before.
func openClose(n int, args []string) (wire.Values, error) {
	if err := preload(args[1:]); err != nil {
		return nil, err
	}
	var failed error
	v := worker.Loop(n, func(n int) {
		for range n {
			lib, err := weld.Open(args[0], weld.Now)
			if err == nil {
				err = lib.Close()
			}
			if err != nil {
				failed = err
			}
		}
	})
	if failed != nil {
		return nil, failed
	}
	if _, err := weld.Open(args[0], weld.Now, weld.NoLoad); !errors.Is(err, weld.ErrNotFound) {
		return nil, fmt.Errorf("%s is still loaded after Close (%v)", args[0], err)
	}
	return v, nil
}
