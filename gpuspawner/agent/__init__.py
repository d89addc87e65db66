"""On the machine: mounts the home, runs the single-user server, and speaks for the machine.

Standard library only, and nothing else of this package: it is installed into images, runs as root
from every boot on, and must work with whatever the image has. Rooms: `machine` is the loop, `boot`
who we are, `api` the way to the controller, `homes` the disk, `supervisor` the server, `heartbeat`
what we tell, of `gpus` and `processes` among others, `saving` the wait for open pages, `deadman` when we give up.
"""
