# A login that the examples let in: rashost plugin test --good good.login
user    caller0
expect  Name:
send    caller0
expect  Password:
secret  secret-0
