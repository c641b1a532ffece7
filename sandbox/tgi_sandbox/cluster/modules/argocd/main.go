// Redis for Argo CD, in memory: miniredis, which is what its own `argocd admin dashboard` starts.
package main

import (
	"log"
	"os"
	"time"

	"github.com/alicebob/miniredis/v2"
)

func main() {
	server := miniredis.NewMiniRedis()
	if err := server.StartAddr(os.Args[1]); err != nil {
		log.Fatal(err)
	}
	// Time stands still in a miniredis unless somebody moves it, and no key would ever expire.
	for range time.Tick(time.Second) {
		server.FastForward(time.Second)
	}
}
