"""Backups of guests' disks: chunks by their digest, and an index a backup that names them."""
