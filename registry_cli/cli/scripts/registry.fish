# Completion of `registry` for fish.
function __registry_complete
    set -l line (commandline -cp)
    set -l answers (_REGISTRY_COMPLETE=fish _REGISTRY_LINE="$line" registry 2>/dev/null)
    if test "$answers[1]" = __files__
        __fish_complete_path (commandline -ct)
    else
        printf '%s\n' $answers
    end
end
complete -c registry -f -a '(__registry_complete)'
