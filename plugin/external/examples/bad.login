# A login that guestbook.py and doorman.sh refuse after three tries: rashost plugin test --bad bad.login
user    caller0
expect  Name:
send    caller0
expect  Password:
secret  wrong-1
expect  Name:
send    caller0
expect  Password:
secret  wrong-2
expect  Name:
send    caller0
expect  Password:
secret  wrong-3
