# Completion of ashlar in fish: `ashlar complete` tells what can stand at a place.
function __ashlar_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] complete $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path $current
            case :folders
                __fish_complete_directories $current
            case '*'
                echo $line
        end
    end
end
complete -c ashlar -f -a '(__ashlar_complete)'
