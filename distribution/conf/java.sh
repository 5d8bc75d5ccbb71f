# Finds Java for both programs: JAVA_HOME, then the PATH; 17 or newer. Sourced with $program, their name in messages.
if [ -n "${JAVA_HOME:-}" ]; then
  java=$JAVA_HOME/bin/java
  [ -x "$java" ] || { echo "$program: JAVA_HOME is $JAVA_HOME, but there is no bin/java in it" >&2; exit 1; }
else
  java=$(command -v java) || {
    echo "$program: no Java found; install one of 17 or newer (Debian: default-jre-headless), or set JAVA_HOME" >&2
    exit 1
  }
  java=$(readlink -f "$java")
fi
# the file that every JDK has tells the version without starting it
version=
if [ -r "${java%/bin/java}/release" ]; then
  while IFS='="' read -r key _ value _; do
    [ "$key" != JAVA_VERSION ] || version=$value
  done < "${java%/bin/java}/release"
fi
case ${version%%[!0-9]*} in
  '') ;;
  ?|1[0-6]) echo "$program: $java is Java $version; 17 or newer is needed (set JAVA_HOME)" >&2; exit 1 ;;
esac
# without a UTF-8 locale Java cannot name files that have other letters than ASCII
case ${LC_ALL:-${LC_CTYPE:-${LANG:-}}} in
  *[Uu][Tt][Ff]*) ;;
  *) LC_ALL=C.UTF-8; export LC_ALL ;;
esac
