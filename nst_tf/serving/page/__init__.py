"""The page in a browser: a server on this machine, its jobs, its visits, and the files of the page.

`server` answers requests, `guard` refuses those of other sites, `visits` keeps each visitor's pictures apart, `orders`
reads what is asked for, `jobs` queues it, and `studio` does the work. What is computed belongs to `networks` and
`optimisation`; settings come from `configs` alone.
"""
