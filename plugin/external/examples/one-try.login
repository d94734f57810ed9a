# How a robot logs in to porter: rashost plugin test
good caller{n}
expect Name:
type caller{n}
expect Password:
secret secret-{n}

bad caller{n}
expect Name:
type caller{n}
expect Password:
secret wrong-{n}
