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
[ -n "$version" ] || version=$("$java" -version 2>&1 | sed -n 's/.* version "\([^"]*\)".*/\1/p')
full_version=$version version=${version%%[!0-9]*}
case $version in
  '') echo "$program: $java does not say which version it is; 17 or newer is needed (set JAVA_HOME)" >&2; exit 1 ;;
  ?|1[0-6]) echo "$program: $java is Java $version; 17 or newer is needed (set JAVA_HOME)" >&2; exit 1 ;;
esac
# what both programs need to reach native memory, by Java's version
java_options="--enable-native-access=ALL-UNNAMED -XX:+UseSerialGC -XX:-UsePerfData -Djna.nosys=false"
[ "$version" -lt 23 ] || java_options="$java_options --sun-misc-unsafe-memory-access=allow"
# ends with one line if Java refuses an option of the user's
check_java_options() {
  [ -n "${BLKTAP_JAVA_OPTS:-}" ] || return 0
  set -f
  refusal=$("$java" $java_options $BLKTAP_JAVA_OPTS -version 2>&1) || {
    echo "$program: Java refuses BLKTAP_JAVA_OPTS=$BLKTAP_JAVA_OPTS: $(printf %s "$refusal" | grep -v -e '^Error: Could not create' -e '^Error: A fatal' -e '^To see' | head -n 1)" >&2
    exit 1
  }
  set +f
}
# without a UTF-8 locale Java cannot name files that have other letters than ASCII
case ${LC_ALL:-${LC_CTYPE:-${LANG:-}}} in
  *[Uu][Tt][Ff]*) ;;
  *) LC_ALL=C.UTF-8; export LC_ALL ;;
esac
