// Command weldopener opens and closes libraries with weld as it is told on standard input, and says where they are.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

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
		case "c":
			fmt.Println("close", open[arg].Close())
		}
	}
}
