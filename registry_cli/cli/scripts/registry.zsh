#compdef registry
# Completion of `registry` for zsh.
_registry() {
    local -a answers
    answers=("${(@f)$(_REGISTRY_COMPLETE=zsh _REGISTRY_LINE="${(j: :)words[1,CURRENT]}" ${words[1]} 2>/dev/null)}")
    [[ -z ${answers[1]-} ]] && return 1
    if [[ ${answers[1]} == __files__ ]]; then
        _files
    elif [[ ${#answers} -eq 1 && ${answers[1]} == *[@=] ]]; then
        compadd -S '' -- $answers
    else
        compadd -- $answers
    fi
}
if [[ ${funcstack[1]-} == _registry ]]; then _registry "$@"; else compdef _registry registry; fi
