# Completion of `registry` for bash. Bash breaks words at ':' and '@'; the word is put together again from the
# line, and what stands before the last break is taken off the answers.
_registry_complete() {
    local line=${COMP_LINE:0:COMP_POINT} answer cut word
    COMPREPLY=()
    word=${line##*[[:space:]]}
    cut=""
    case $word in # bash replaces what stands behind a ':', but from an '@' on, with the '@'
        *@*) [[ $COMP_WORDBREAKS == *@* ]] && cut=${word%@*} ;;
        *:*) [[ $COMP_WORDBREAKS == *:* ]] && cut=${word%"${word##*:}"} ;;
    esac
    while IFS= read -r answer; do
        [[ -n $answer ]] && COMPREPLY+=("${answer#"$cut"}")
    done < <(_REGISTRY_COMPLETE=bash _REGISTRY_LINE=$line "$1" 2>/dev/null)
    if [[ ${COMPREPLY[0]-} == __files__ ]]; then
        COMPREPLY=()
        compopt -o filenames 2>/dev/null
        while IFS= read -r answer; do COMPREPLY+=("$answer"); done < <(compgen -f -- "$word")
    elif [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[@=] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -F _registry_complete registry
