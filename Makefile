# SPDX-License-Identifier: GPL-2.0
#
# The module mptcpproxy, the tool mptcpproxyctl, and their tests.
# `make help` lists what there is.

VERSION	:= $(shell cat $(CURDIR)/VERSION)

# The kernel to build for: the running one, or else the newest installed.
KDIR	?= $(firstword $(wildcard /lib/modules/$(shell uname -r)/build) \
	$(shell ls -d /lib/modules/*/build 2>/dev/null | sort -Vr))

DESTDIR	?=
DKMSSRC	:= /usr/src/mptcpproxy-$(VERSION)

# Its `uname -r`. Debian's include/config/kernel.release has another number.
RELEASE	= $(shell sed -n 's/.*UTS_RELEASE "\(.*\)".*/\1/p' \
	'$(KDIR)/include/generated/utsrelease.h')

# The machine: make vm KERNEL=debug T=relay
KERNEL	?= 6.12
T	?=

BUILD	?= $(CURDIR)/build
# What the module is made of, and what DKMS needs of it.
SOURCES	:= Kbuild VERSION kmod include

.PHONY: all
all: module tool		## module for KDIR and tool (default)

# ---------------------------------------------------------------- building

# Each kernel has a directory of its own, build/RELEASE, populated with
# links to the sources: no object lies among the sources, and nothing is
# built twice. The lock is for two machines that start at once.
.PHONY: module
module:				## build/RELEASE/mptcpproxy.ko, for KDIR
	@test -n '$(KDIR)' || \
		{ echo 'no kernel headers found: run scripts/deps' >&2; exit 1; }
	@dir='$(BUILD)/$(RELEASE)' && mkdir -p "$$dir" && \
	exec 9>"$$dir/.lock" && flock 9 && \
	find "$$dir" -xtype l -delete && \
	cp -rsn $(addprefix '$(CURDIR)'/,$(SOURCES)) "$$dir/" && \
	$(MAKE) -C '$(KDIR)' M="$$dir" $(KFLAGS) modules 9>&-

.PHONY: test-modules
test-modules: test-programs	## build/RELEASE/mcp_client: what scenarios load
	@$(MAKE) -C tests/vm/modules KDIR='$(KDIR)' BUILD='$(BUILD)'

.PHONY: test-programs
test-programs:			## build/programs: what scenarios run
	@$(MAKE) -C tests/vm/programs BUILD='$(BUILD)'

.PHONY: tool
tool:				## build/mptcpproxyctl
	@mkdir -p '$(BUILD)'
	@flock '$(BUILD)/.tool.lock' $(MAKE) -C userspace all

# ----------------------------------------------------------------- running

.PHONY: demo
demo:				## a download over two paths; HOST=1: without a machine
	scripts/deps build $(if $(HOST),,test)
	scripts/demo $(if $(HOST),--host)

.PHONY: bench
bench:				## against proxies and routers, to docs/benchmarks; HOST=1
	scripts/deps build bench $(if $(HOST),,test)
	scripts/bench $(if $(HOST),--host)

.PHONY: check
check:				## every test on every kernel
	scripts/deps
	scripts/check

.PHONY: lint
lint:				## style and static checks
	scripts/lint

.PHONY: vm
vm:				## scenarios named T on KERNEL: 6.12, 6.1, debug
	tests/vm/run --kernel '$(KERNEL)' \
		pytest -ra tests/vm/scenarios $(if $(T),-k '$(T)')

# -------------------------------------------------------------- installing

.PHONY: install
install: module install-tool	## module, tool, man pages, completion
	$(MAKE) -C '$(KDIR)' M='$(BUILD)/$(RELEASE)' modules_install \
		$(if $(DESTDIR),INSTALL_MOD_PATH='$(abspath $(DESTDIR))')
	$(if $(DESTDIR),,depmod '$(RELEASE)')

.PHONY: install-tool
install-tool: tool
	$(MAKE) -C userspace install

.PHONY: dkms-source
dkms-source:
	rm -rf '$(DESTDIR)$(DKMSSRC)'
	install -d '$(DESTDIR)$(DKMSSRC)'
	cp -r $(SOURCES) LICENSE '$(DESTDIR)$(DKMSSRC)/'
	sed 's/@VERSION@/$(VERSION)/' dkms.conf >'$(DESTDIR)$(DKMSSRC)/dkms.conf'

.PHONY: dkms-install
dkms-install: dkms-source install-tool	## as install, rebuilt for each new kernel
	$(if $(DESTDIR),,dkms install --force 'mptcpproxy/$(VERSION)')

.PHONY: clean
clean:				## remove build/
	rm -rf '$(BUILD)'

.PHONY: help
help:				## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | expand -t 16
