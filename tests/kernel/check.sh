#!/bin/sh
# check.sh inside NAME FOLDER NUMBER   in the guest: the first half of the check checks/NAME.sh
# check.sh outside NAME FOLDER         on the host: its second half, after the guest has ended
# check.sh shell - FOLDER NUMBER       in the guest: a shell that knows the words of words.sh
#
# FOLDER is the check's own; on the host it holds what the guest has left in its own.
set -eu
half=$1
name=$2
folder=$3
cd "$folder"
. "$TESTS/words.sh"
if [ "$half" = outside ]; then
  . "$TESTS/checks/$name.sh"
  outside
  exit 0
fi

number=$4
port=$((10809 + number))
socket=$folder/ashlar.sock
device=/dev/nbd$((2 * number))
second_device=/dev/nbd$((2 * number + 1))
if [ "$half" = shell ]; then
  export TESTS folder port socket device second_device
  ENV=$TESTS/words.sh exec sh -i
fi
trap clean_up EXIT
. "$TESTS/checks/$name.sh"
inside
