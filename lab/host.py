#!/usr/bin/python3
"""Boot L1, wait for its verdict, write build/results/NAME.json.

Runs inside the lab's root (see lab/inroot): /src is the repository and /l1root
that same root without any mounts, which L1 gets as its own, read-only.
"""

import argparse
import fcntl
import glob
import hashlib
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time

SRC = "/src"
BUILD = SRC + "/build"
HOST_MAC = "52:54:00:12:00:01"
PEER_MAC = "52:54:00:12:00:02"
# With --wires 2, a NIC more for either.
HOST2_MAC = "52:54:00:12:00:11"
PEER2_MAC = "52:54:00:12:00:12"

# rep movsb costs TCG one instruction per byte; real CPUs move 32 or more. So
# the kernel gets no reason to use it, and copies eight bytes at a time. Taken
# off under KVM, too: there the figures are to be comparable, and the probes of
# lab/l1/copies.sh want every user copy to go through one function.
CPU_FLAGS_REMOVED = ["erms", "fsrm"]

# What TCG needs. Where the calibration of the host's TSC is off at boot, KVM keeps
# a wrong ratio for its guests, whose timers then fire seconds late; told to tolerate
# it, KVM scales nothing. (The vCPUs of guests: see guest_place in lab/l1/guest-lib.sh)
TCG_APPEND = "kvm.tsc_tolerance_ppm=50000 "

# Settings of a script that the caller may make (lab/l1/bench.sh).
PASSED_ON = ["SIZES", "ROUNDS", "FRAMES", "SPARSE"]

CRASHED = "the host ended without a verdict (a crash?)"
QEMU_DIED = "QEMU died of a signal"

# TCG may inject an interrupt into a guest twice. helper_vmrun() leaves the vector in
# exception_index until the guest exits. Between these, cpu_handle_interrupt() first
# looks for interrupts of the CPU, then whether it is to leave the emulation; another
# thread that raises one in between has it leave with that vector, which is delivered
# once more, whether the guest has interrupts on or not (QEMU 11.1.3). So guests exit
# at the end of each interrupt (kvm-pv-eoi=off, lab/l1/guest-lib.sh): with a loop of
# "stop" and "cont" in the monitor of L1, ten a second, a guest died while it booted,
# and then lived. In the guest's oops, the entry of an interrupt was interrupted by the
# same one before its first instruction.
INJECTED_TWICE = re.compile(
    r"asm_(\w+)\+0x[0-9a-f]+/\S+\n.*RIP: 0010:asm_\1\+0x0/.*\n"
    r"(?:.*Code: .*\n)?.*EFLAGS: 000[0-9a-f]{2}[014589cd][0-9a-f]{2}\b")

# Or the second waits for what the first has in hand: a guest of one CPU then waits
# for itself, with interrupts off. A fault of the guest's own kernel would look the
# same: it is repeated once, and counted.
ONE_CPU_STANDS = re.compile(
    r"\nCPU#0\n(?!(?:.*\n)*CPU#1\n)(?:R.*\n)+?"
    r"RIP=([0-9a-f]{16}) RFL=[0-9a-f]{5}[014589cd][0-9a-f]{2} .* CPL=0 .* HLT=0")


def parse_args():
    p = argparse.ArgumentParser(prog="lab/run")
    p.add_argument("--config", default="plain")
    p.add_argument("--installed", action="store_true",
                   help="the kernel and the initramfs of build/deb/host")
    p.add_argument("--iommu", action="store_true")
    p.add_argument("--nic", choices=["igb", "ixgbe"], default="igb",
                   help="the host's; the peer's is an igb")
    p.add_argument("--pcap", action="store_true",
                   help="keep the frames on the wire of an ixgbe")
    p.add_argument("--name")
    p.add_argument("--timeout", type=int)
    p.add_argument("--accel", choices=["kvm", "tcg"])
    p.add_argument("--append", default="", help="more kernel parameters")
    p.add_argument("--wires", type=int, choices=[1, 2], default=1,
                   help="pairs of NICs with a wire between them")
    p.add_argument("--qemu", default="", help="more arguments for QEMU")
    p.add_argument("--shell", action="store_true",
                   help="a shell on the console, after COMMAND if any")
    p.add_argument("command", nargs="*")
    args = p.parse_args()
    if not args.command and not args.shell:
        p.error("no command")
    if not args.command:
        args.command = ["true"]
    if args.installed:
        args.config = "deb"
    if not args.name:
        args.name = "-".join(["run", args.config] +
                             (["iommu"] if args.iommu else []))
    if args.timeout is None:
        args.timeout = 10**6 if args.shell else 600
    args.sysrq = not args.shell
    return args


def write_command(run, args, accel):
    """The script L1's init sources: variables and the command line."""
    env = {"LAB_CONFIG": args.config, "LAB_IOMMU": int(args.iommu),
           "LAB_ACCEL": accel, "LAB_SHELL": int(args.shell),
           "LAB_NIC": args.nic,
           "HOST_MAC": HOST_MAC, "PEER_MAC": PEER_MAC}
    if args.wires == 2:
        env.update({"HOST2_MAC": HOST2_MAC, "PEER2_MAC": PEER2_MAC})
    env.update((key, os.environ[key]) for key in PASSED_ON
               if os.environ.get(key))
    with open(run + "/command", "w") as f:
        for key, value in env.items():
            f.write("export %s=%s\n" % (key, shlex.quote(str(value))))
        f.write("set -- %s\n" % shlex.join(args.command))


def share(tag, path, readonly):
    return ["-virtfs", "local,path=%s,mount_tag=%s,security_model=none,"
            "multidevs=remap%s" % (path, tag, ",readonly=on" if readonly else "")]


def root_port(index):
    """For one NIC alone: the VFs of an igb take the function numbers behind it.
    The port is of a speed at which Linux does not ask whether the link is active
    after a reset of the bus: QEMU's never is."""
    return ["-device", "pcie-root-port,id=port%d,chassis=%d,slot=%d,x-speed=5"
            % (index, index + 1, index + 1)]


class Igb:
    """A NIC that QEMU emulates, and one end of the wire: one of a pair of
    datagram sockets."""

    def __init__(self, index, other, mac, sockets):
        self.args = root_port(index) + [
            "-netdev", "dgram,id=wire%d,local.type=unix,local.path=%s/wire%d,"
            "remote.type=unix,remote.path=%s/wire%d"
            % (index, sockets, index, sockets, other),
            "-device", "igb,bus=port%d,netdev=wire%d,mac=%s,romfile="
            % (index, index, mac)]

    def start(self):
        pass

    def end(self):
        return []


class Ixgbe:
    """A NIC that is a process of ours (lab/nic82599), which QEMU reaches by
    vfio-user. It has the memory of the host mapped, and the same sockets as
    wire. L1 gives it orders by the port "nic"."""

    def __init__(self, index, other, mac, sockets, log, pcap):
        self.log = log + ".nic82599"
        self.socket = "%s/nic%d" % (sockets, index)
        self.command = [
            BUILD + "/nic82599/nic82599", "--socket", self.socket,
            "--control", self.socket + ".control", "--mac", mac,
            "--wire", "%s/wire%d,%s/wire%d" % (sockets, index, sockets, other)]
        if pcap:
            self.command += ["--pcap", log + ".pcap"]
        # A reply that is late would read as all-ones: better that all waits.
        device = {"driver": "vfio-user-pci", "bus": "port%d" % index,
                  "socket": {"type": "unix", "path": self.socket},
                  "x-msg-timeout": 60000}
        self.args = root_port(index) + [
            "-device", json.dumps(device),
            "-chardev", "socket,id=nic%d,path=%s.control" % (index, self.socket),
            "-device", "virtserialport,chardev=nic%d,name=nic" % index]
        self.process = None

    def start(self):
        if not os.path.exists(self.command[0]):
            sys.exit("lab: %s is missing: run lab/tools" % self.command[0])
        if os.path.exists(self.socket):    # of one before
            os.unlink(self.socket)
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + 10
        while not os.path.exists(self.socket):
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit("lab: the NIC does not start, see %s" % self.log)
            time.sleep(0.02)

    def end(self):
        """It ends when QEMU has. What is said against the run."""
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return ["the NIC did not end"]
        with open(self.log, errors="replace") as f:
            lines = f.read().splitlines()
        said = [x for x in lines if x.startswith("nic82599: ASSERTION")]
        if status == 0:
            return []
        if status == 1 and said:
            return ["%s (in all: %s)" % (said[0], lines[-1].split()[-1])]
        return ["the NIC died (%d)" % status]


def port(name, path):
    return ["-chardev", "file,id=%s,path=%s" % (name, path),
            "-device", "virtserialport,chardev=%s,name=%s" % (name, name)]


def kernel_arguments(args):
    """The kernel, and what it needs to find the root: nothing, or an initramfs that
    has its modules and, as lab/deb/host has seen to, a way to mount that."""
    if args.installed:
        kernels = glob.glob(BUILD + "/deb/host/boot/vmlinuz-*")
        if not kernels:
            sys.exit("lab: no kernel is installed in build/deb/host: "
                     "run make deb && lab/deb/host install")
        initrd = kernels[0].replace("/vmlinuz-", "/initrd.img-")
        return ["-kernel", kernels[0], "-initrd", initrd], "boot=l1 "
    kernel = "%s/kernel-%s/arch/x86/boot/bzImage" % (BUILD, args.config)
    if not os.path.exists(kernel):
        sys.exit("lab: %s is missing: run lab/kernel %s" % (kernel, args.config))
    return ["-kernel", kernel], ""


def qemu_command(args, accel, run, sockets, console_log, nics):
    kernel, boot_append = kernel_arguments(args)

    # The kernel mounts the root itself; the rest of init is in the repository.
    init = ("mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,"
            "cache=loose,ro src /src && exec /src/lab/l1/init")
    append = ("console=ttyS0 root=l1root rootfstype=9p rootflags=trans=virtio,"
              "version=9p2000.L,msize=524288,cache=loose ro panic=-1 "
              "oops=panic log_buf_len=8M %s%s%s%s init=/bin/bash -- -c \"%s\""
              % (boot_append, TCG_APPEND if accel == "tcg" else "",
                 "intel_iommu=on iommu.strict=1 " if args.iommu else "",
                 args.append, init))

    cpu = "max" if accel == "tcg" else "host"
    cpu += "".join(",-" + flag for flag in CPU_FLAGS_REMOVED)
    if args.config == "debug":
        # identify_cpu() clears the flags of the boot CPU for a moment. An interrupt
        # then finds four levels of page tables where there are five, and KASAN
        # takes each address of the kernel for a wild one.
        cpu += ",-la57"
    machine = "q35"
    if args.nic == "ixgbe":
        machine += ",memory-backend=memory"    # which that can map
    if args.iommu:
        machine += ",kernel-irqchip=split"
    console = ("stdio,id=console,signal=off" if args.shell else
               "socket,id=console,path=%s/console,server=on,wait=off" % sockets)

    cmd = ["qemu-system-x86_64", "-nodefaults", "-no-user-config",
           "-no-reboot", "-display", "none", "-M", machine,
           "-accel", "tcg,thread=multi" if accel == "tcg" else accel,
           "-cpu", cpu, "-smp", "2", "-m", "2G",
           *kernel, "-append", append]
    if args.nic == "ixgbe":
        cmd += ["-object", "memory-backend-memfd,id=memory,size=2G,share=on"]
    if args.iommu:
        cmd += ["-device", "intel-iommu,intremap=on,caching-mode=on"]
    cmd += ["-chardev", "%s,logfile=%s" % (console, console_log),
            "-serial", "chardev:console",
            "-monitor", "unix:%s/monitor,server=on,wait=off" % sockets,
            "-device", "virtio-rng-pci", "-device", "virtio-serial-pci"]
    cmd += port("verdict", run + "/verdict") + port("output", run + "/output")
    cmd += share("l1root", "/l1root", True) + share("src", SRC, True)
    cmd += share("run", run, False)
    for nic in nics:
        cmd += nic.args
    return cmd + shlex.split(args.qemu)


def drain(console, seconds):
    """Read on, or a console that nobody reads stops the machine."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            console.recv(65536)
        except socket.timeout:
            pass


def sysrq_t(sockets):
    """Have the hung kernel print all its tasks on the console."""
    try:
        with socket.socket(socket.AF_UNIX) as console, \
             socket.socket(socket.AF_UNIX) as monitor:
            console.settimeout(0.2)
            console.connect(sockets + "/console")
            monitor.connect(sockets + "/monitor")
            for key in b"9", b"w", b"l", b"t":
                monitor.sendall(b"chardev-send-break console\n")
                drain(console, 0.5)
                console.sendall(key)
                drain(console, 2)
            drain(console, 5)
    except OSError as error:
        print("lab: no sysrq: %s" % error)


class Tail:
    """Hand on what a growing file gains."""

    def __init__(self, path):
        self.path = path
        self.offset = 0

    def read(self):
        try:
            with open(self.path, "rb") as f:
                f.seek(self.offset)
                data = f.read()
        except FileNotFoundError:
            return b""
        self.offset += len(data)
        return data


def watch(qemu, args, run, sockets):
    """Show the command's output as it comes; True if L1 ended by itself."""
    output = Tail(run + "/output")
    deadline = time.monotonic() + args.timeout
    while True:
        ended = qemu.poll() is not None
        sys.stdout.buffer.write(output.read())
        sys.stdout.flush()
        if ended:
            return True
        if time.monotonic() > deadline:
            if args.sysrq:
                sysrq_t(sockets)
            return False
        time.sleep(0.1)


def read_verdict(run):
    """The lines of the verdict port: test results, metrics, the last word."""
    tests, metrics, last = [], {}, None
    try:
        lines = open(run + "/verdict", errors="replace").read().splitlines()
    except FileNotFoundError:
        lines = []
    for line in lines:
        try:
            item = json.loads(line)
        except ValueError:
            continue
        if "metric" in item:
            metrics[item["metric"]] = item["value"]
        elif "verdict" in item:
            last = item
        else:
            tests.append(item)
    return tests, metrics, last


def boot(args, accel):
    """One run of L1; returns what goes into the results file."""
    run = "%s/run/%s" % (BUILD, args.name)
    log = "%s/log/%s" % (BUILD, args.name)
    sockets = "/tmp/" + args.name
    for path in run, sockets:
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
    write_command(run, args, accel)

    host = (Ixgbe(0, 1, HOST_MAC, sockets, log, args.pcap)
            if args.nic == "ixgbe" else Igb(0, 1, HOST_MAC, sockets))
    nics = [host, Igb(1, 0, PEER_MAC, sockets)]
    if args.wires == 2:
        nics += [Igb(2, 3, HOST2_MAC, sockets), Igb(3, 2, PEER2_MAC, sockets)]
    against = []

    start = time.monotonic()
    with open(log + ".qemu", "w") as qemu_log:
        cmd = qemu_command(args, accel, run, sockets, log + ".console", nics)
        qemu_log.write(shlex.join(cmd) + "\n")
        qemu_log.flush()
        for nic in nics:
            nic.start()
        qemu = subprocess.Popen(
            cmd, stdin=None if args.shell else subprocess.DEVNULL,
            stdout=None if args.shell else qemu_log, stderr=qemu_log)
        try:
            ended = watch(qemu, args, run, sockets)
        finally:
            qemu.kill()
            qemu.wait()
            for nic in nics:
                against += nic.end()

    if os.path.exists(run + "/output"):
        shutil.copy(run + "/output", log + ".output")
    tests, metrics, last = read_verdict(run)
    result = {
        "name": args.name, "config": args.config, "iommu": args.iommu,
        "nic": args.nic, "accel": accel, "command": args.command,
        "cpu_flags_removed": CPU_FLAGS_REMOVED,
        "seconds": round(time.monotonic() - start, 1),
        "tests": tests, "metrics": metrics, "reasons": []}
    if not ended:
        result["reasons"].append(
            "no end after %d s; all tasks are in the console log" % args.timeout)
    elif last is None:
        result["reasons"].append(QEMU_DIED if qemu.returncode < 0 else CRASHED)
    else:
        result.update(last)
        del result["verdict"]
    result["reasons"] += against
    result["result"] = "pass" if not result["reasons"] else "fail"
    return result


def find_accel():
    """KVM if it really boots L1 and nests, TCG otherwise; asked once per
    machine. That /dev/kvm opens proves nothing: some cannot run a kernel."""
    if not os.path.exists("/dev/kvm"):
        return "tcg"
    machine = " ".join(os.uname()) + open("/proc/cpuinfo").read(2000).split(
        "cpu MHz")[0]
    note = "/cache/accel-" + hashlib.sha256(machine.encode()).hexdigest()[:12]
    if os.path.exists(note):
        return open(note).read().strip()
    print("lab: trying KVM (once for this machine, up to 20 s)", flush=True)
    probe = argparse.Namespace(
        config="plain", iommu=False, nic="igb", wires=1, name="probe-kvm", timeout=20,
        append="", qemu="", installed=False, shell=False, sysrq=False,
        command=["test", "-e", "/dev/kvm"])
    accel = "kvm" if boot(probe, "kvm")["result"] == "pass" else "tcg"
    print("lab: using %s" % accel, flush=True)
    with open(note, "w") as f:
        f.write(accel + "\n")
    return accel


def logs(args, attempt=None):
    """Those of the run, or of an attempt of it that was repeated: NAME.1.*"""
    name = args.name if attempt is None else "%s.%d" % (args.name, attempt)
    return ["%s/log/%s.%s" % (BUILD, name, suffix)
            for suffix in ("output", "console", "qemu", "nic82599")]


def tcg_asserted(args, result):
    """QEMU died of its bql_locked assertion in cpu_interrupt(), and nothing had
    failed before."""
    with open("%s/log/%s.qemu" % (BUILD, args.name), errors="replace") as f:
        return (result["reasons"] == [QEMU_DIED] and "bql_locked" in f.read() and
                not any(t["result"] == "fail" for t in result["tests"]))


# Where one waits, with interrupts off, for what another CPU does: has a lock, handles
# the same interrupt, sets the time.
WAITS = re.compile("queued_spin_lock_slowpath|irq_wait_on_inprogress|ktime_get|"
                   "ktime_get_update_offsets_now|ktime_get_with_offset")


def waits(address):
    """Is that, in the kernel that is a guest's as well, where one waits for another?"""
    path = BUILD + "/kernel-plain/System.map"
    if not os.path.exists(path):
        return False
    with open(path) as f:
        symbols = sorted((int(line.split()[0], 16), line.split()[2]) for line in f)
    before = [name for start, name in symbols if start <= address]
    return bool(before and WAITS.fullmatch(before[-1]))


def stands(text):
    """Does the one CPU of a guest, each time that it was looked at?"""
    found = ONE_CPU_STANDS.findall(text)
    return len(found) > 1 and all(waits(int(at, 16)) for at in found)


def tcg_injected_twice(args, result):
    """A guest was lost, and that is what its last words or its registers say."""
    path = "%s/log/%s.output" % (BUILD, args.name)
    if result["result"] == "pass" or not os.path.exists(path):
        return False
    with open(path, errors="replace") as f:
        text = f.read()
    return bool(INJECTED_TWICE.search(text)) or stands(text)


def lock(name):
    """Two runs of one name would write the same files."""
    os.makedirs(BUILD + "/run", exist_ok=True)
    file = open("%s/run/%s.lock" % (BUILD, name), "w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("lab: %s is running already: wait for it, or use --name" % name)
    return file


def main():
    args = parse_args()
    running = lock(args.name)    # until we end
    accel = args.accel or find_accel()
    for path in logs(args) + logs(args, 1):
        if os.path.exists(path):
            os.remove(path)
    result = boot(args, accel)
    result["attempts"] = 1
    # Faults of TCG's own, rare. make test allows one.
    fault = None
    if accel == "tcg" and tcg_asserted(args, result):
        fault = QEMU_DIED
    elif accel == "tcg" and tcg_injected_twice(args, result):
        fault = "QEMU injected an interrupt twice"
    if fault:
        print("%s: %s, once more" % (args.name, fault), flush=True)
        for path, kept in zip(logs(args), logs(args, 1)):
            if os.path.exists(path):
                os.replace(path, kept)
        result = boot(args, accel)
        result["attempts"] = 2
    with open("%s/results/%s.json" % (BUILD, args.name), "w") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    running.close()
    for reason in result["reasons"]:
        print("FAIL %s: %s" % (args.name, reason))
    print("%s: %s after %.0f s; logs build/log/%s.{output,console,qemu}"
          % (args.name, result["result"], result["seconds"], args.name))
    return 0 if result["result"] == "pass" else 1


if __name__ == "__main__":
    sys.exit(main())
