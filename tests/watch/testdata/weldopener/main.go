// Command weldopener opens and closes libraries with weld as it is told on standard input, and says where they are.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"weld"
)

func main() {
	open := map[string]*weld.Library{}
	fmt.Println("ready")
	for s := bufio.NewScanner(os.Stdin); s.Scan(); {
		command, arg, _ := strings.Cut(s.Text(), " ")
		switch command {
		case "o":
			lib, err := weld.Open(arg)
			if err != nil {
				fmt.Println("error", err)
				continue
			}
			open[arg] = lib
			fmt.Printf("open %#x %s\n", lib.Base, lib.Path)
		case "v":
			value, err := weld.Func[func() int32](open[arg], "value")
			if err != nil {
				fmt.Println("error", err)
				continue
			}
			fmt.Println("value", value())
		case "n": // open and close so many times, on as many threads as there are paths
			times, paths, _ := strings.Cut(arg, " ")
			n, err := strconv.Atoi(times)
			var all sync.WaitGroup
			for _, path := range strings.Fields(paths) {
				all.Go(func() {
					runtime.LockOSThread()
					for range n {
						lib, e := weld.Open(path)
						if e == nil {
							e = lib.Close()
						}
						if e != nil {
							fmt.Println("error", e)
							return
						}
					}
				})
			}
			all.Wait()
			fmt.Println("opened", n, err)
		case "c":
			fmt.Println("close", open[arg].Close())
		}
	}
}
