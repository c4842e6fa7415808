#!/bin/sh
# Makes the folder $1, which toolchain.cmake builds against and the emulator runs with: Debian's
# packages for ARM64 of what the program needs, and what they depend on, from where apt gets this
# machine's. They are unpacked and not installed, and apt's own state isn't touched. What is there
# already stays. Says nothing but what went wrong.
set -eu
packages="libc6-dev libopenmpi-dev libhdf5-dev libxxhash-dev libcmocka-dev libpng-dev \
libjpeg62-turbo-dev libtiff-dev zlib1g-dev"
! grep -qsFx "$packages" "$1/packages" || exit 0
made=$1.part
work=$(mktemp -d)
trap 'rm -rf "$work" "$made"' EXIT
rm -rf "$1" "$made"
mkdir -p "$made" "$work/lists/partial" "$work/archives/partial"
: >"$work/status" # nothing is installed there

get() {
    apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=root \
        -o Dir::State="$work" -o Dir::State::status="$work/status" -o Dir::Cache="$work" \
        -o APT::Update::Error-Mode=any -o Acquire::Retries=1 -o Acquire::http::Timeout=20 "$@"
}

get update
# Libraries alone: no compilers, no tools, no Perl.
# shellcheck disable=SC2086 # a list
get install --print-uris --no-install-recommends $packages >"$work/uris"
names=$(sed -En "s/^'[^']*' ((lib|zlib|linux-libc)[^_]*)_.*/\1/p" "$work/uris" |
    grep -Ev '^lib(perl|gfortran-|binutils|isl|.san)')
# shellcheck disable=SC2086 # a list
(cd "$work" && get download $names)
for package in "$work"/*.deb; do
    dpkg -x "$package" "$made"
done
# Links from the root on lead into the folder.
find "$made/lib" "$made/usr/lib" -type l -lname '/*' | while read -r link; do
    ln -sfn "$(realpath -m --relative-to="$(dirname "$link")" "$made$(readlink "$link")")" "$link"
done
printf '%s\n' "$packages" >"$made/packages"
mv "$made" "$1"
