# Sourced by `run`. Machines are shared: tests that failed are tried once more, alone. Those that pass then are flaky, and
# named at the end, by `name_flaky`.
flaky=()

in_two_tries() { # title, a command that runs pytest
    local title=$1 failed
    shift
    echo "== $title, after $SECONDS seconds"
    "$@" && return
    failed=$(python3 -c 'import json; print(*json.load(open(".pytest_cache/v/cache/lastfailed")), sep="\n")')
    "$@" -n 0 --last-failed --last-failed-no-failures none
    while read -r test; do flaky+=("$test ($title)"); done <<< "$failed"
}

name_flaky() {
    echo "== the end, after $SECONDS seconds"
    if ((${#flaky[@]})); then printf 'flaky, failed once and then passed: %s\n' "${flaky[@]}"; fi
}
