# The headers have plain comments; doxygen wants them marked. The first comment of a file tells of the file, one that
# begins a line of what comes next, one behind code of that code. Headings and ends of namespaces tell of nothing.
/^}/b
/^\/\* ----/b
1s%^// %/// @file\n/// %
1s%^/\* %/** @file\n * %
s%^\( *\)//\( .*\)*$%\1///\2%
s%^\( *[^ /].*\) // %\1 ///< %
s%^\( *\)/\* %\1/** %
s%^\( *[^ /].*\) /\* %\1 /**< %
# What is set in is code.
s%^///   %///       %
