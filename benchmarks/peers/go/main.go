// Serves the file that FILE names at any path, as the standard library's documentation has it.
package main

import (
	"log"
	"net/http"
	"os"
)

func main() {
	name := os.Getenv("FILE")
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		file, err := os.Open(name)
		if err != nil {
			http.Error(w, "not found", http.StatusNotFound)
			return
		}
		defer file.Close()
		facts, err := file.Stat()
		if err != nil {
			http.Error(w, "not found", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "audio/wav")
		http.ServeContent(w, r, name, facts.ModTime(), file)
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
