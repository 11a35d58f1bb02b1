# Completion of ashlar in bash: `ashlar complete` tells what can stand at a place.
_ashlar() {
  local cur words cword line candidate
  if declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref -n := cur words cword
  else
    words=("${COMP_WORDS[@]}") cword=$COMP_CWORD cur=${COMP_WORDS[COMP_CWORD]}
  fi
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :files | :folders)
        compopt -o filenames
        while IFS= read -r candidate; do
          COMPREPLY+=("$candidate")
        done < <(compgen "$([[ $line == :files ]] && echo -f || echo -d)" -- "$cur")
        ;;
      *)
        candidate=${line%%$'\t'*}
        [[ $candidate != *[:/=,] ]] || compopt -o nospace
        COMPREPLY+=("$candidate")
        ;;
    esac
  done < <("${words[0]}" complete "${words[@]:1:cword}" 2>/dev/null)
  if declare -F __ltrim_colon_completions >/dev/null; then
    __ltrim_colon_completions "$cur"
  fi
}
complete -F _ashlar ashlar
