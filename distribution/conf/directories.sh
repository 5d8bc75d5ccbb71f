# Where things are, unless the environment says otherwise. Sourced by bin/blktap and bin/blktapd with $home; a package has a file of its own here.
default_run=/run/blktap
default_control=/run/blktap-control
default_data=$home/data
default_deploy=$home/deploy
default_settings=$home/etc/blktap.json
# jars that a package brings for the directory deploy
packaged_jars=
