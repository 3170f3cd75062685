//go:build !linux

package blob

import (
	"errors"
	"os"
)

func renameNoReplace(from, to string) error {
	return &os.LinkError{
		Op: "link", Old: from, New: to,
		Err: errors.New("the file system has no hard links; put the store on one that has them"),
	}
}

func freeSpace(string) string { return "too little space" }
