package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A volume is a file system of its own, in a file, on which faults can be made.
type volume struct {
	t     testing.TB
	image string
	dir   string // where it is mounted
}

// newVolume makes a file system of a size in MiB and mounts it until the test
// ends. Making one needs root and a loop device; without them the test is
// skipped, except in CI.
func newVolume(t testing.TB, kind string, mib int, mkfs ...string) *volume {
	t.Helper()
	if os.Getuid() != 0 {
		cannot(t, "mounting a file system needs root")
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		cannot(t, "mounting a file system needs a loop device: %v", err)
	}
	work := t.TempDir()
	v := &volume{t: t, image: filepath.Join(work, "image"), dir: filepath.Join(work, "mnt")}
	if err := os.Mkdir(v.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(v.image)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(int64(mib) << 20); err != nil {
		t.Fatal(err)
	}
	f.Close()
	quiet := map[string][]string{"ext4": {"-q", "-F"}, "xfs": {"-q", "-f"}}[kind]
	v.command(tool(t, "mkfs."+kind, "/usr/sbin/mkfs."+kind), append(append(quiet, mkfs...), v.image)...)
	v.mount()
	t.Cleanup(func() { exec.Command("umount", "-l", v.dir).Run() })
	return v
}

// cannot fails the test in CI, where the machine must be able to do what it
// needs, and skips it elsewhere.
func cannot(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// data returns the data directory on the volume.
func (v *volume) data() string { return filepath.Join(v.dir, "data") }

func (v *volume) mount() {
	v.t.Helper()
	v.command("mount", "-o", "loop", v.image, v.dir)
}

func (v *volume) unmount() {
	v.t.Helper()
	v.command("umount", v.dir)
}

func (v *volume) remount(options string) {
	v.t.Helper()
	v.command("mount", "-o", "remount,"+options, v.dir)
}

func (v *volume) command(name string, args ...string) {
	v.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		v.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// cut ends the volume as a loss of power does: what no sync has made durable is
// gone.
func (v *volume) cut() {
	v.t.Helper()
	v.command(tool(v.t, "xfs_io", "/usr/sbin/xfs_io"), "-x", "-c", "shutdown", v.dir)
}

// fill takes all the room of the volume with a file that empty removes.
func (v *volume) fill() {
	v.t.Helper()
	f, err := os.Create(filepath.Join(v.dir, "ballast"))
	if err != nil {
		v.t.Fatal(err)
	}
	defer f.Close()
	offset := int64(0)
	for size := int64(1) << 30; size >= 4<<10; {
		switch err := syscall.Fallocate(int(f.Fd()), 0, offset, size); err {
		case nil:
			offset += size
		case syscall.ENOSPC:
			size /= 2
		case syscall.EINTR:
		default:
			v.t.Fatal(err)
		}
	}
}

func (v *volume) empty() {
	v.t.Helper()
	if err := os.Remove(filepath.Join(v.dir, "ballast")); err != nil {
		v.t.Fatal(err)
	}
}
