#!/usr/bin/env bash
# Builds the guest of the laboratory from Debian packages: build.sh FOLDER
# Writes FOLDER/kernel, FOLDER/rootfs.cpio and FOLDER/signals.so. What is unpacked here is not installed. See docs/lab.md.
set -euo pipefail
out=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "$out/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
debs=$out/debs
mkdir -p "$debs" "$work/unpacked" "$work/root"

# --- packages
kernel=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: //p' | head -n 1)
[ -n "$kernel" ] || { echo "build.sh: apt knows no linux-image-amd64: run apt-get update" >&2; exit 1; }
release=${kernel#linux-image-}
fetch() { # each package once; the lists of apt may be older than what the mirror still has
  local wanted=()
  for p; do compgen -G "$debs/${p}_*.deb" >/dev/null || wanted+=("$p"); done
  [ ${#wanted[@]} = 0 ] || (cd "$debs" && { apt-get -qq download "${wanted[@]}" || { apt-get -qq update && apt-get -qq download "${wanted[@]}"; }; })
}
find "$debs" -name 'linux-image-*.deb' ! -name "${kernel}_*" -delete
fetch "$kernel" busybox-static ppp libpcap0.8 libdbus-1-3 udev kmod
for p in busybox-static ppp libpcap0.8 libdbus-1-3 udev kmod; do
  for d in "$debs/${p}"_*.deb; do dpkg-deb -x "$d" "$work/unpacked"; done
done

# --- kernel: as an ELF file it starts 2 s sooner than a bzImage, which unpacks itself in the slow machine. Where the payload lies
# is in the header (Documentation/x86/boot.rst: setup_sects, payload_offset, payload_length)
modules=(virtio_pci virtio_console ppp_async ppp_deflate bsd_comp xhci_pci ftdi_sio)
all=./lib/modules/$release
dpkg-deb --fsys-tarfile "$debs/${kernel}"_*.deb | tar -x -C "$work" --wildcards "./boot/vmlinuz-*" "$all/modules.*" "$all/kernel/crypto" \
  "$all/kernel/lib" "$all/kernel/drivers/"{virtio,char,net/ppp,net/slip,usb/common,usb/core,usb/host,usb/serial}
depmod -b "$work" "$release"
image=$work/boot/vmlinuz-$release
field() { od -A n -j "$1" -N "$2" -t "u$2" "$image" | tr -d ' '; }
start=$((($(field $((0x1f1)) 1) + 1) * 512 + $(field $((0x248)) 4)))
tail -c "+$((start + 1))" "$image" | head -c "$(field $((0x24c)) 4)" | xz -dcq --single-stream >"$work/kernel" || true # 4 bytes follow it
[ "$(head -c 4 "$work/kernel")" = $'\x7fELF' ] || cp "$image" "$work/kernel"

# --- root file system
root=$work/root
mkdir -p "$root"/{dev,etc/ppp/peers,lib/modules,lib/udev/rules.d,proc,root,run,sys,tmp,usr/bin,usr/lib64,usr/sbin,var/log}
ln -s usr/bin "$root/bin"
ln -s usr/sbin "$root/sbin"
ln -s usr/lib64 "$root/lib64"
ln -s ../run "$root/var/run"
install -m 755 "$work/unpacked/bin/busybox" "$root/bin/busybox"
for applet in $("$root/bin/busybox" --list); do [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"; done
ln -s ../../bin/busybox "$root/usr/sbin/modprobe" # the kernel asks for /sbin/modprobe
libs=$(find "$work/unpacked" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
program() { # program FILE: with the libraries that it needs
  install -D -m 755 "$work/unpacked/$1" "$root/usr/${1#usr/}"
  LD_LIBRARY_PATH=$libs ldd "$work/unpacked/$1" |
    awk -v p="$1" '/not found/ {print "no library for " p ": " $0 > "/dev/stderr"; exit 1} /=>/ {print $3} /^\t\// {print $1}' |
    while read -r lib; do cp -Ln "$lib" "$root/usr/lib64/"; done
}
program usr/sbin/pppd
program usr/sbin/chat
program bin/udevadm
ln -s ../bin/udevadm "$root/usr/sbin/systemd-udevd"
for r in 50-udev-default 60-serial; do cp "$work/unpacked/lib/udev/rules.d/$r.rules" "$root/lib/udev/rules.d/"; done
for m in "${modules[@]}"; do
  modprobe -d "$work" -S "$release" --show-depends "$m" | awk '/^insmod/ {print $2}'
done | sort -u | while read -r ko; do install -D -m 644 "$ko" "$root/lib/modules/$release/${ko#"$work/lib/modules/$release/"}"; done
cp "$work/lib/modules/$release"/modules.{order,builtin,builtin.modinfo} "$root/lib/modules/$release/"
depmod -b "$root" "$release"
for name in root:0 nobody:65534; do echo "${name%:*}:x:${name#*:}:${name#*:}::/root:/bin/sh"; done >"$root/etc/passwd"
for name in root:0 tty:5 disk:6 lp:7 kmem:15 dialout:20 cdrom:24 tape:26 audio:29 video:44 input:101 render:102 sgx:103 kvm:104 nogroup:65534; do
  echo "${name%:*}:x:${name#*:}:"
done >"$root/etc/group"
echo /usr/lib64 >"$root/etc/ld.so.conf"
ldconfig -r "$root" 2>/dev/null || true
echo "127.0.0.1 localhost" >"$root/etc/hosts"
cp -r "$work/unpacked/etc/ppp/ip-"* "$root/etc/ppp/" # the scripts that call those of ip-pre-up.d and so on
ln -s /lab/rashost "$root/usr/sbin/rashost"
: >"$root/etc/ppp/options"
printf '%s\n' '* * "" *' >"$root/etc/ppp/pap-secrets"
cp "$root/etc/ppp/pap-secrets" "$root/etc/ppp/chap-secrets"
chmod 600 "$root"/etc/ppp/*-secrets
install -m 755 "$here/init" "$root/init"
(cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) >"$work/rootfs.cpio"

gcc -O2 -Wall -Wextra -shared -fPIC -o "$work/signals.so" "$here/signals.c" -ldl
mv "$work/kernel" "$work/rootfs.cpio" "$work/signals.so" "$out/"
