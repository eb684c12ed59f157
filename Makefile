# mpassthru: make help says what there is. The work is done by scripts in lab/.

help:
	@echo 'make demo          build all, boot it, compare tap and mp (as root); NIC=ixgbe'
	@echo 'make test          every test; ends with "N passed, N failed, N skipped"'
	@echo 'make test-all      longer forms of the same: more rounds, soaks (hours)'
	@echo 'make bench         what a frame costs: mp, macvtap, tap (QUICK=1: some of it)'
	@echo 'make bench-compare BASE=commit  mp at that commit, and what changed'
	@echo 'make bench-publish  the figures of the last make bench into the documents'
	@echo 'make kernel        build/kernel-plain; kernel-debug: KASAN, lockdep, ...'
	@echo 'make deb           packages of this kernel and of mpctl, for a real host'
	@echo 'make test-deb      install, boot and remove them in an emulated one'
	@echo 'make rootfs        the Debian root with compiler, QEMU and tools'
	@echo 'make series        the patches as mails, RFC or REV=vN, in build/series'
	@echo 'make check         of make test, what needs no boot: each patch by itself, ...'
	@echo 'make drift         does the series apply to the next kernels of Debian?'
	@echo 'make shell         an interactive shell on the emulated host'
	@echo 'make clean         remove build/ (downloads stay in the cache)'
	@echo
	@echo 'LINUX=path         a Linux 7.3 source tree instead of the packaged one'
	@echo 'LINUX=path RAW=1   that tree as it is, nothing applied'
	@echo 'FLAVOUR=amd64      make deb from that configuration of Debian (cloud-amd64)'
	@echo 'FRAGMENT=file      and these options besides'
	@echo 'MIRROR=url         a Debian mirror other than the one of this machine'
	@echo 'MPASSTHRU_CACHE=dir  instead of ~/.cache/mpassthru'

export LINUX RAW REV BASE MIRROR MPASSTHRU_CACHE SIZES ROUNDS FRAMES QUICK NIC
export FLAVOUR FRAGMENT DEBIAN_CONFIG JOBS

demo:
	@lab/demo

test:
	@lab/test

test-all:
	@LONG=1 lab/test

bench:
	@lab/bench/run

bench-compare:
	@lab/bench/compare

bench-publish:
	@lab/inroot python3 /src/lab/bench/publish.py

kernel:
	@lab/kernel plain

kernel-debug:
	@lab/kernel debug

deb:
	@lab/deb/build

test-deb:
	@lab/test deb

rootfs:
	@lab/rootfs

series:
	@lab/series

check:
	@ONLY='^check/' lab/test

drift:
	@lab/check/drift

shell: kernel
	@lab/tools
	@lab/guest-images
	@lab/run --shell

clean:
	rm -rf build

.PHONY: help demo test test-all bench bench-compare bench-publish kernel kernel-debug deb test-deb
.PHONY: rootfs series check drift shell clean
