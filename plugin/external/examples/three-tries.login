# How a robot logs in to guestbook.py and doorman.sh: rashost plugin test
good caller{n}
expect Name:
type caller{n}
expect Password:
secret secret-{n}

bad caller{n}
expect Name:
type caller{n}
expect Password:
secret wrong-1-{n}
expect Name:
type caller{n}
expect Password:
secret wrong-2-{n}
expect Name:
type caller{n}
expect Password:
secret wrong-3-{n}
