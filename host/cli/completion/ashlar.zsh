#compdef ashlar
# Completion of ashlar in zsh: `ashlar complete` tells what can stand at a place.
_ashlar() {
  local line word
  local -a whole partial
  for line in "${(@f)$("${words[1]}" complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
    case $line in
      ('') ;;
      (:files) _files ;;
      (:folders) _files -/ ;;
      (*)
        word=${line%%$'\t'*}
        if [[ $word == *[:/=,] ]]; then
          partial+=("$word")
        else
          whole+=("${word//:/\\:}:${line#*$'\t'}")
        fi
        ;;
    esac
  done
  (( ! $#whole )) || _describe -t words 'ashlar' whole
  (( ! $#partial )) || compadd -S '' -- "${partial[@]}"
}
if [[ $funcstack[1] == _ashlar ]]; then
  _ashlar "$@"
else
  compdef _ashlar ashlar
fi
