#!/bin/sh
# Runs one of OpenSSH's regress/sftp*.sh with the few words of its test-exec.sh that those use, and
# without the sshd that its test-exec.sh sets up. Usage: openssh-frame.sh FOLDER SCRIPT SERVER
#
# Prints one line per check that the script announces: `pass` or `fail`, a tab, its name.
OBJ=$1 SCRIPT=$2 SFTPSERVER=$3
SRC=$(dirname "$SCRIPT")
SFTP=$(command -v sftp)
SSH=$(command -v ssh)
TEST_SHELL=/bin/sh
DATANAME=data
DATA=$OBJ/$DATANAME
COPY=$OBJ/copy
cat "$(command -v ssh-agent)" >"$DATA"
chmod u+w "$DATA"
export OBJ SRC SFTP SSH SFTPSERVER TEST_SHELL DATA COPY

check= result=pass
tell() { [ -z "$check" ] || printf '%s\t%s\n' "$result" "$check" >&3; }
verbose() {
    tell
    check=$* result=pass
}
trace() { :; }
fail() {
    echo "FAIL: $check: $*" >&2
    result=fail
}
fatal() {
    fail "$@"
    tell
    exit 1
}
skip() {
    echo "SKIP: $*" >&2
    exit 0
}
config_defined() { return 1; }
increase_datafile_size() {
    while [ "$(du -k "$DATA" | cut -f1)" -lt "$1" ]; do cat "$(command -v ssh-agent)" >>"$DATA"; done
}

exec 3>&1 1>&2
verbose "$(basename "$SCRIPT" .sh)"
. "$SCRIPT"
tell
