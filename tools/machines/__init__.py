"""Several machines on one: sets of Linux namespaces, for drills of clusters without a cloud.

    python -m tools.machines up FOLDER --count 3     until Ctrl-C; needs root
    python -m tools.machines shell FOLDER m1         a login shell on one of them
    python -m tools.machines cut FOLDER m2           its cable is pulled; `mend` plugs it in again
    python -m tools.machines kill FOLDER m3          its power is cut; `add` starts it anew

A machine is a process, network, mount, host name and IPC namespace of its own: its own process 1,
its own address behind a virtual cable on a switch, its own home, its own /tmp and /dev/shm in
memory, its own sshd on port 22. Of this machine it sees, read-only, the system's programs, Python
and the virtual environment, and nothing else: no checkout, no studies, no other machine's files.
`desk` is one more machine, at which a user would sit; it reads the checkout.

The kernel shares with all of them what namespaces do not divide: processors, memory, the clock.
"""
