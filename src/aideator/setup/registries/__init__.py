"""Which package registries this machine's own package managers are set to use.

No registry is named in this program. Each manager is asked, by its own command or its
own configuration files, in a folder that no repository and no other user can write.
"""
