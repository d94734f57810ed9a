package users

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestFakeKey(t *testing.T) {
	dir := t.TempDir()
	keys := make([][]byte, 8)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], err = FakeKey(dir); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, key := range keys {
		if len(key) != 32 || !bytes.Equal(key, keys[0]) || bytes.Equal(key, make([]byte, 32)) {
			t.Errorf("key %x, the first was %x", key, keys[0])
		}
	}
	path := filepath.Join(dir, "fake-users.key")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if other, err := FakeKey(t.TempDir()); err != nil || bytes.Equal(other, keys[0]) {
		t.Errorf("another host has the same key, %v", err)
	}
	if err := os.WriteFile(path, keys[0][:31], 0o600); err != nil {
		t.Fatal(err)
	}
	if key, err := FakeKey(dir); key != nil || err == nil || !strings.Contains(err.Error(), path+" is damaged: remove it") {
		t.Errorf("a damaged key: %x, %v", key, err)
	}
	if key, err := FakeKey(filepath.Join(dir, "missing")); key != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a folder: %x, %v", key, err)
	}
}
