"""Real network filtering, as root: all guests of a node in one network namespace of its own.

Each card is a tap device with a /32 route, nftables decides what passes, slirp4netns leads outside without touching
the host, and forwarders lead from a guest's loopback address on the host to the guest.
"""
