# Sets where things are for the instance $instance: the default one if that is empty or "default". Sourced by bin/blktap, bin/blktapd and libexec/supervise, after
# directories.sh and with $program, their name in messages. BLKTAP_RUN_DIR and its like name the directories of the default instance; those of another are
# below them, in instances/NAME. No program is started here, which would cost time.
[ "$instance" != default ] || instance=
case $instance in
  [!A-Za-z0-9]*|*[!A-Za-z0-9._-]*) instance=/ ;;
esac
if [ "$instance" = / ] || [ ${#instance} -gt 40 ]; then
  echo "$program: not a name of an instance: it has letters, digits and . _ - only, at most 40, and begins with a letter or digit" >&2
  exit 2
fi
common_run=${BLKTAP_RUN_DIR:-$default_run}
common_data=${BLKTAP_DATA_DIR:-$default_data}
# a unit may give the daemon another directory than a client's environment has; a file of another user says nothing
if [ -z "${BLKTAP_DATA_DIR:-}" ] && [ $program = blktap ] && [ -O "$common_run/data-directory" ]; then
  IFS= read -r common_data < "$common_run/data-directory"
fi
deploy=${BLKTAP_DEPLOY_DIR:-$default_deploy}
control=${BLKTAP_CONTROL_DIR:-$default_control}
settings=${BLKTAP_CONFIG:-$default_settings}
case $common_run in /*) ;; *) common_run=$PWD/$common_run ;; esac
case $common_data in /*) ;; *) common_data=$PWD/$common_data ;; esac
case $deploy in /*) ;; *) deploy=$PWD/$deploy ;; esac
case $control in /*) ;; *) control=$PWD/$control ;; esac
case $settings in /*) ;; *) settings=$PWD/$settings ;; esac
# own: an instance that was made for one disk; own_settings: one that has a file of its own
run=$common_run data=$common_data own= own_settings=
if [ -n "$instance" ]; then
  run=$common_run/instances/$instance data=$common_data/instances/$instance control=$run/control
  if [ -e "$data/own-process" ]; then
    # its drivers are those of the default instance
    own=yes packaged_jars=
  else
    packaged_jars=${packaged_jars:-$deploy} deploy=$data/deploy
  fi
  if [ -e "${settings%/*}/instances/$instance.json" ]; then
    own_settings=yes settings=${settings%/*}/instances/$instance.json
  fi
fi
