# A login that porter refuses at once: rashost plugin test --bad bad-once.login
user    caller0
expect  Name:
send    caller0
expect  Password:
secret  wrong-1
