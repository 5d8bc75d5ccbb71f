# Where things are, unless the environment says otherwise. Sourced by bin/blktap and bin/blktapd with $home.
default_run=/run/blktap
default_control=/run/blktap-control
default_data=/var/lib/blktap
default_deploy=/var/lib/blktap/deploy
default_settings=/etc/blktap/blktap.json
# jars that the package brings for the directory deploy
packaged_jars=/usr/lib/blktap/deploy
