"""A DOUBLE of the Dagger CLI and its engine.

It is not Dagger, and proves nothing about Dagger.

It takes the command line that AIdeator writes, loads the real module, answers its
GraphQL, and carries the few operations that the module uses out as local processes in
namespaces. What it shows is that everything on this side of Dagger works. It is strict
where the real one is known to be: unknown flags, flags that are the CLI's own, what a
forwarded socket does not carry (an end of one direction towards the inside), cached
results, stdout only at the end.

The runner host says how it behaves:
`double:///STATE?network=open&fault=no-engine&version=0.21.8`.
"""
