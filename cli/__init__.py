"""The command line: one thin absl program for each job. Installed as nst_tf_cli, run as `nst-tf JOB`."""
